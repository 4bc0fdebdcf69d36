"""Complete requests, shown in the description of the API and in the reference; a test runs each."""

from typing import Any

ENRICHMENT: dict[str, Any] = {
    "type": "enrichment",
    "rows": [{"review": "Lovely, would buy again."}, {"review": "It broke on the second day."}],
    "steps": [
        {
            "processor": "prompt",
            "prompt": "Is this review positive or negative? {{review}}",
            "model": "local/smollm2",
            "output": {"sentiment": {"type": "string", "enum": ["positive", "negative"]}},
        }
    ],
    "concurrency": 5,
    "metadata": {"team": "shop"},
}
IMPORT: dict[str, Any] = {
    "type": "import",
    "file": "file_4m1x2y3z5a6b",
    "dataset": "products",
    "key": "sku",
    "fields": [{"name": "price", "type": "number", "required": True}],
}
EXPORT: dict[str, Any] = {
    "type": "export",
    "dataset": "products",
    "format": "csv",
    "columns": [{"column": "sku"}, {"column": "price", "name": "price_eur"}],
}
JOBS: dict[str, Any] = {
    "enrichment": {"summary": "Ask a model about each row", "value": ENRICHMENT},
    "import": {"summary": "Take an uploaded file into a dataset", "value": IMPORT},
    "export": {"summary": "Write a dataset to a file to be downloaded", "value": EXPORT},
}

STREAM = """\
id: 41
retry: 2000

event: job.progress
data: {"type":"job.progress","timestamp":"2026-02-01T03:04:05.678Z","data":{"id":"job_4m1x2y3z5a6b",...}}

: ping

id: 42
event: job.completed
data: {"type":"job.completed","timestamp":"2026-02-01T03:04:25.123Z","data":{"id":"job_4m1x2y3z5a6b",...}}

id: 42
event: end
data: {"type":"end","timestamp":"2026-02-01T03:04:25.200Z","data":null}

"""
"""An event stream; the jobs are shortened."""
