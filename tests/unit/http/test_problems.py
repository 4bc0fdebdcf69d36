import logging
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

import rowmill
from rowmill.api.app import create_app
from rowmill.api.live.hub import Hub
from rowmill.core.errors import NotFound, RowmillError, StoreError
from rowmill.http.context import Context
from rowmill.http.problems import STATUS_OF, responses
from tests.support.serving import Api, served

SOURCES = sorted(Path(rowmill.__file__).parent.rglob("*.py"))


def _errors(error: type[RowmillError] = RowmillError) -> Iterator[type[RowmillError]]:
    yield error
    for below in error.__subclasses__():
        yield from _errors(below)


def _own() -> set[str]:
    """The codes of every error that the program raises on purpose."""
    return {error.code for error in _errors() if error.__module__ == RowmillError.__module__}


def test_every_error_of_the_program_has_a_status() -> None:
    assert _own() <= STATUS_OF.keys()


def test_every_code_is_used() -> None:
    text = "".join(path.read_text() for path in SOURCES if path.name != "problems.py")
    text += (Path(rowmill.__file__).parent / "http" / "problems.py").read_text().partition("_CODE_OF_STATUS")[2]
    unused = {code for code in STATUS_OF if f'"{code}"' not in text} - _own()
    assert not unused


def test_every_code_that_is_refused_with_has_a_status() -> None:
    pattern = re.compile(r'(?:ApiError|problem_response)\(\s*"(\w+)"')
    refused = {code for path in SOURCES for code in pattern.findall(path.read_text())}
    assert len(refused) > 5
    assert refused <= STATUS_OF.keys()


def test_every_status_has_a_name() -> None:
    assert {HTTPStatus(status).phrase for status in STATUS_OF.values()}
    assert all(400 <= status < 600 for status in STATUS_OF.values())


def test_answers_with_the_same_status_are_described_together() -> None:
    described = responses("input", "usage", "not_found")
    assert described[422]["description"] == "Unprocessable Content: `input`, `invalid_request`, `usage`"
    assert described[413]["description"] == "Content Too Large: `too_large`"
    assert described[404]["description"] == "Not Found: `not_found`"
    assert described[404]["content"].keys() == {"application/problem+json"}


@pytest.fixture
def failing(context: Context, hub: Hub) -> Iterator[Api]:
    """The API with routes that fail."""
    app: FastAPI = create_app(context, hub)

    @app.get("/own")
    def own() -> None:
        raise NotFound("There is no such thing.", "Look elsewhere.")

    @app.get("/broken")
    def broken() -> None:
        raise StoreError("The store could not be read.", "Look at the disk.")

    @app.get("/unexpected")
    def unexpected() -> None:
        key = "sk-very-secret"
        raise ValueError(f"no such key: {key}")

    with served(app) as url:
        yield Api(url, {"paths": {}})


def test_an_error_is_a_problem_document(failing: Api) -> None:
    answer = failing.get("/own")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such thing.",
        "code": "not_found",
        "hint": "Look elsewhere.",
        "errors": [],
    }
    assert answer.status == 404


def test_a_store_that_fails_is_unavailable(failing: Api) -> None:
    answer = failing.get("/broken")
    assert (answer.status, answer.code, answer.json["hint"]) == (503, "store", "Look at the disk.")


def test_what_nobody_expected_is_told_without_details(failing: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = failing.get("/unexpected")
    assert (answer.status, answer.code) == (500, "internal")
    told = answer.content.decode()
    assert all(word not in told for word in ("sk-very-secret", "ValueError", "Traceback", ".py"))
    logged = {record.name: record for record in caplog.records}
    assert (logged["rowmill.http"].__dict__["path"], logged["rowmill.http"].levelno) == ("/unexpected", logging.ERROR)


def test_there_is_nothing_at_another_path(api: Api) -> None:
    answer = api.get("/v1/nowhere")
    assert (answer.status, answer.code) == (404, "not_found")
    assert "/v1/nowhere" in answer.json["detail"]


def test_another_method_is_told_which_there_are(api: Api) -> None:
    answer = api.request("DELETE", "/v1/jobs")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    assert api.request("POST", "/openapi.json").headers["Allow"] == "GET, HEAD"


def _of(document: dict[str, Any]) -> list[str]:
    return [error["field"] for error in document["errors"]]


def test_each_wrong_field_is_named(api: Api) -> None:
    answer = api.post(
        "/v1/jobs",
        {"type": "enrichment", "rows": [{}], "concurrency": 0, "colour": 1, "steps": [{"prompt": ""}]},
    )
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert set(_of(answer.json)) == {"concurrency", "colour", "steps.0.prompt"}
    assert all(error["message"] for error in answer.json["errors"])
    assert _of(answer.json)[0] in answer.json["detail"]


def test_a_wrong_value_of_what_may_be_left_out_is_named_once(api: Api) -> None:
    step = {"processor": "http", "url": "https://api.example.com/{{id}}"}
    asked = {"type": "enrichment", "rows": [{"id": 1}], "steps": [step], "start": False}
    job = api.post("/v1/jobs", asked).json["id"]
    for change, field in (({"name": ""}, "name"), ({"metadata": {"x": "y" * 3000}}, "metadata.x")):
        refused = api.request("PATCH", f"/v1/jobs/{job}", change)
        assert (refused.status, _of(refused.json)) == (422, [field])


def test_what_is_no_request_is_refused(api: Api) -> None:
    for body in (b"", b"{", b"null", b"[]", b"1", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"type": "enrichment"'):
        answer = api.post("/v1/jobs", body, headers={"Content-Type": "application/json"})
        assert (answer.status, answer.code) == (422, "invalid_request"), body[:20]


def test_a_body_that_is_no_json_by_its_own_word_is_refused(api: Api) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "text/html"):
        answer = api.post("/v1/jobs", b'{"type": "export", "dataset": "x"}', headers={"Content-Type": media_type})
        assert (answer.status, answer.code) == (422, "invalid_request"), media_type


def test_a_wrong_path_names_its_part(api: Api) -> None:
    answer = api.get("/v1/jobs/last")
    assert (answer.code, _of(answer.json)) == ("invalid_request", ["job_id"])
