import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import pytest

from rowmill.api.examples import JOBS
from rowmill.core.access import Access
from rowmill.http.problems import STATUS_OF
from rowmill.ledger.store import Store
from rowmill.webhooks.payload import payload_of, payload_of_test
from tests.support.made import completed
from tests.support.serving import PROBLEM, Api
from tests.unit.http.test_access import NEEDED

Operation = dict[str, Any]
MEGABYTE = 1 << 20


@pytest.fixture(scope="session")
def operations(document: dict[str, Any]) -> dict[str, Operation]:
    """Every operation, by its method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _references(each)


def test_the_description_is_served_as_it_is(api: Api, document: dict[str, Any]) -> None:
    assert api.get("/openapi.json").json == json.loads(json.dumps(document))


def test_no_page_loads_scripts_from_elsewhere(api: Api) -> None:
    assert {api.get(path).status for path in ("/docs", "/redoc", "/docs/oauth2-redirect")} == {404}


def test_every_operation_says_what_it_does(operations: dict[str, Operation]) -> None:
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["description"].rstrip().endswith("."), name
        assert len(operation["tags"]) == 1, name


def test_every_operation_has_a_name_that_a_client_can_call_it_by(operations: dict[str, Operation]) -> None:
    ids = [operation["operationId"] for operation in operations.values()]
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", id_) for id_ in ids)
    assert len(set(ids)) == len(ids)


def test_every_parameter_is_described(operations: dict[str, Operation]) -> None:
    for name, operation in operations.items():
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (name, parameter["name"])


def test_every_error_is_a_problem_document_with_its_codes(operations: dict[str, Operation]) -> None:
    for name, operation in operations.items():
        errors = {int(status): told for status, told in operation["responses"].items() if int(status) >= 400}
        assert {401, 403, 413, 421, 422, 500, 503} <= errors.keys(), name
        for status, told in errors.items():
            assert told["content"] == {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}, (name, status)
            codes = re.findall(r"`(\w+)`", told["description"])
            assert codes, (name, status)
            assert {STATUS_OF[code] for code in codes} == {status}, name


def test_every_answer_that_is_json_has_a_schema(operations: dict[str, Operation]) -> None:
    for name, operation in operations.items():
        good = {int(status): told for status, told in operation["responses"].items() if int(status) < 400}
        assert good, name
        for status, told in good.items():
            content = told.get("content", {})
            assert bool(content) != (status in (204, 304)), name
            assert all(each.get("schema") for media_type, each in content.items() if "json" in media_type), name


@pytest.mark.parametrize(
    ("parameter", "code"),
    [("cursor", "invalid_cursor"), ("Idempotency-Key", "idempotency_key_reused"), ("If-Match", "precondition_failed")],
)
def test_whoever_takes_it_says_how_it_is_refused(operations: dict[str, Operation], parameter: str, code: str) -> None:
    taking = {
        name: operation["responses"].get(str(STATUS_OF[code]), {}).get("description", "")
        for name, operation in operations.items()
        if any(each["name"] == parameter for each in operation.get("parameters", []))
    }
    assert taking
    assert [name for name, told in taking.items() if f"`{code}`" not in told] == []


def test_whatever_is_named_by_the_path_may_not_be_there(operations: dict[str, Operation]) -> None:
    assert [name for name, operation in operations.items() if "{" in name and "404" not in operation["responses"]] == []


def test_every_list_is_paged(operations: dict[str, Operation]) -> None:
    for name, operation in operations.items():
        content = operation["responses"].get("200", {}).get("content", {})
        told = content.get("application/json", {}).get("schema", {}).get("$ref", "")
        paged = {each["name"] for each in operation.get("parameters", [])} >= {"limit", "cursor"}
        assert paged == ("/Page_" in told), name
        assert operation["operationId"].startswith("list_") == paged, name


def test_every_post_that_creates_takes_an_idempotency_key(operations: dict[str, Operation]) -> None:
    for name, operation in operations.items():
        taken = any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", []))
        assert taken == ("201" in operation["responses"]), name


def test_every_reference_leads_somewhere_and_no_schema_is_left_over(document: dict[str, Any]) -> None:
    found = {reference.removeprefix("#/components/schemas/") for reference in _references(document)}
    assert found == document["components"]["schemas"].keys()


def test_every_field_of_a_set_of_words_lists_them(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["JobStatus"]["enum"] == ["pending", "running", "paused", "completed", "failed", "cancelled"]
    assert schemas["JobType"]["enum"] == ["import", "enrichment", "export"]
    assert "usage_limit" in schemas["PauseReason"]["enum"]
    assert schemas["Problem"]["properties"]["code"]["enum"] == sorted(STATUS_OF)


def test_every_type_of_job_has_an_example(operations: dict[str, Operation]) -> None:
    examples = operations["POST /v1/jobs"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples == JOBS
    assert {example["value"]["type"] for example in examples.values()} == {"enrichment", "import", "export"}


def test_what_webhooks_are_sent_is_described(document: dict[str, Any], store: Store) -> None:
    sent = document["webhooks"]["event"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    told = jsonschema_rs.validator_for({**sent, "components": document["components"]})
    completed(store)
    payloads = [json.loads(payload_of(store, event)) for event in store.events.after(0, 10)]
    assert [payload["type"] for payload in payloads][-1] == "job.completed"
    for payload in (*payloads, json.loads(payload_of_test("whk_1", 0.0))):
        told.validate(payload)


def test_the_description_lists_every_error_code(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == sorted(STATUS_OF)


def test_a_field_that_a_shape_inherits_keeps_its_description(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Job"]["properties"]["cost_usd"]["description"].startswith("Cost of all attempts")
    assert schemas["NewToken"]["properties"]["used_at"]["description"]
    assert schemas["NewWebhook"]["properties"]["events"]["description"]


def test_a_token_is_described_as_bearer(document: dict[str, Any]) -> None:
    [scheme] = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


@pytest.mark.parametrize(
    ("method", "path", "largest"), [("POST", "/v1/jobs", 10 * MEGABYTE), ("PATCH", "/v1/jobs/job_0", MEGABYTE)]
)
def test_a_request_that_is_too_large_is_refused(api: Api, method: str, path: str, largest: int) -> None:
    body = b'{"name": "' + b"x" * (largest - 12) + b'"}'
    json_type = {"Content-Type": "application/json"}
    assert len(body) == largest
    assert api.request(method, path, body, headers=json_type).code != "too_large"
    refused = api.request(method, path, body + b" ", headers=json_type)
    assert (refused.status, refused.code) == (413, "too_large")


def test_a_request_of_unknown_size_is_refused_as_soon_as_it_is_too_large(api: Api) -> None:
    host, port = urlsplit(api.url).hostname, urlsplit(api.url).port
    head = b"PATCH /v1/jobs/job_0 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"%x\r\n" % (2 * MEGABYTE) + b" " * 2 * MEGABYTE + b"\r\n")  # and more could come
        said = connection.recv(10_000)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert PROBLEM.encode() in said


def test_ten_megabytes_of_rows_are_taken(api: Api) -> None:
    rows = [{"text": f"{number}".zfill(1000)} for number in range(10_000)]
    step = {"processor": "http", "url": "https://api.example.com/{{text}}"}
    made = api.post("/v1/jobs", {"type": "enrichment", "rows": rows, "steps": [step], "start": False})
    assert (made.status, made.json["total"]) == (201, 10_000)


def test_every_scope_is_met(document: dict[str, Any]) -> None:
    assert set(NEEDED.values()) == {None, *Access}
