"""A job on a server (`rowmill serve`), watched from here, its results as a file."""

import os

import rowmill

with rowmill.Client() as client:  # the server at ROWMILL_URL, else this machine's
    job = client.jobs.create(
        "reviews.csv",
        prompt="Is this review positive or negative? {{review}}",
        output={"sentiment": "positive | negative"},
        model=os.environ["MODEL"],
        connection=os.environ.get("CONNECTION"),
    )
    job.watch(check=True)
    job.results().save("sentiment.csv")
