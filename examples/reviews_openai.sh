#!/bin/sh
# Sentiment and topics of reviews.csv. BASE_URL is your endpoint, up to and with /v1; MODEL is openai/NAME. A key, where
# one is needed, is read from OPENAI_API_KEY. Run it again after a stop: it goes on where it was.
set -eu

rowmill run reviews.csv \
  --system 'You read product reviews for a shop.' \
  --prompt 'Review: {{review}}' \
  -c 'sentiment: positive | negative | mixed' \
  -c 'topics: list' \
  --model "${MODEL:?}" --base-url "${BASE_URL:?}" \
  --rows 1-3 --setting temperature=0 --rpm 300 \
  -o sentiment.csv
