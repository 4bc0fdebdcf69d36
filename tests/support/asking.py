"""Jobs as they are asked for over HTTP."""

from typing import Any

from tests.support.serving import Answer, Api

ROWS = [{"review": "fine"}, {"review": "bad"}, {"review": "good"}]
HTTP = {"processor": "http", "url": "https://api.example.com/{{review}}"}
OCTETS = "application/octet-stream"


def prompt(text: str = "Say {{review}}", **more: Any) -> dict[str, Any]:
    return {"prompt": text, "model": "test", "connection": "models", **more}


def job(**more: Any) -> dict[str, Any]:
    return {"type": "enrichment", "rows": ROWS, "steps": [HTTP], "start": False, **more}


def made(api: Api, **more: Any) -> dict[str, Any]:
    answer = api.post("/v1/jobs", job(**more))
    assert answer.status == 201, answer
    shown: dict[str, Any] = answer.json
    return shown


def outputs(api: Api, job: str) -> list[Any]:
    return [row["output"] for row in api.every(f"/v1/jobs/{job}/rows")]


def refused(answer: Answer, code: str) -> str:
    """The sentence of a refusal."""
    assert answer.status >= 400, answer
    assert answer.code == code
    detail: str = answer.json["detail"]
    return detail
