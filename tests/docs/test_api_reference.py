"""The reference of the HTTP API says what the application's own description says, and its examples run."""

import json
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from rowmill.api.app import create_app
from rowmill.api.examples import ENRICHMENT, EXPORT, IMPORT
from rowmill.api.live.hub import Hub
from rowmill.core.access import Access
from rowmill.http.context import Context
from rowmill.http.metrics import Metrics
from rowmill.ledger.opening import open_store
from rowmill.shapes.connections import Connection, Verdict
from rowmill.shapes.datasets import RecordHistory
from rowmill.shapes.files import File
from rowmill.shapes.jobs import Job
from rowmill.shapes.problems import Problem
from rowmill.shapes.rows import Attempt, AttemptUsage, Row
from rowmill.shapes.tokens import NewToken
from rowmill.shapes.usage import Limits, Usage
from rowmill.shapes.webhooks import Delivery, NewWebhook
from rowmill.shapes.workers import Worker
from rowmill.testing import ModelServer
from rowmill.tokens.service import TokenAuthenticator

from .pages import REFERENCE, Block, blocks, codes, first_cells, steps
from .reader import SERVER, Reader

PAGE = REFERENCE / "api.md"
_CELL = r"\|([^|\n]*)"
_ROW = re.compile(rf"^\| `([A-Z]+) (/\S*)` {_CELL * 4}\|$", re.M)

BODIES = {
    "An enrichment": "EnrichmentInput",
    "An import": "ImportInput",
    "An export": "ExportInput",
    "Changes of a job": "JobChange",
    "A retry": "RetryInput",
    "A dataset": "DatasetInput",
    "Fields": "FieldInput",
    "A connection": "ConnectionInput",
    "Changes of a connection": "ConnectionChange",
    "A trial": "ConnectionTrial",
    "A webhook": "WebhookInput",
    "Changes of a webhook": "WebhookChange",
    "Both limits": "LimitsInput",
    "A token": "TokenInput",
}
"""What a request takes, by the heading under which it is told."""

NAMED = ("PromptStep", "HttpStep", "PythonStep", "PluginStep", "PriceInput", "ExportColumn")
"""Parts of these, whose tables bear their names."""

EMBEDDED = '"model": "local/smollm2"'
"""The page asks the embedded model, which the tests do not have: the reader's own endpoint takes its place."""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    store = open_store(tmp_path_factory.mktemp("described"))
    described: dict[str, Any] = create_app(
        Context(store, "", TokenAuthenticator(store), Metrics(store)), Hub(store)
    ).openapi()
    store.close()
    return described


def told() -> dict[tuple[str, str], tuple[str, set[str], set[str]]]:
    """Scope, parameters and codes of each request, by method and path."""
    rows = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {
        (method, path): (scope.strip("` "), codes([_links_away(takes)]), codes([refused]))
        for method, path, scope, takes, _, refused in rows
    }


def _links_away(text: str) -> str:
    """Values that are given as examples stand in brackets, and are no names."""
    return re.sub(r"\([^()]*\)", "", re.sub(r"\[[^\]]*\]\([^)]*\)", "", text))


def operations(document: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield (method.upper(), path), operation


def part(heading: str, page: Path = PAGE) -> str:
    """The text below a heading of any depth, up to the next one."""
    pieces = re.split(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))[heading]


def fields_told(heading: str) -> set[str]:
    return codes(first_cells(body_told(heading)))


def body_told(heading: str) -> str:
    """The table of a body, without those of its parts."""
    return part(heading).partition("| field of ")[0]


def part_told(schema: str) -> str:
    """The table of a part of a body."""
    return PAGE.read_text(encoding="utf-8").partition(f"| field of `{schema}` | meaning |")[2].partition("\n\n")[0]


def required(table: str) -> set[str]:
    return codes([row for row in re.findall(r"^\| (.+?) \|", table, re.M) if row.endswith("(required)")])


def test_every_path_is_told_with_every_method(document: dict[str, Any]) -> None:
    assert set(told()) == {request for request, _ in operations(document)}


def test_every_parameter_is_told(document: dict[str, Any]) -> None:
    for request, operation in operations(document):
        there = {each["name"] for each in operation.get("parameters", []) if each["in"] in ("query", "header")}
        assert told()[request][1] == there, request


def test_every_code_is_told(document: dict[str, Any]) -> None:
    anywhere = codes([part("Errors").partition("These may come anywhere")[2].partition("The tables")[0]])
    assert "internal" in anywhere
    for request, operation in operations(document):
        there = {code for each in operation["responses"].values() for code in codes([each["description"]])}
        if operation["responses"].keys() >= {"500"}:
            assert anywhere <= there, request
        refused = {code for status in _refusals(operation) for code in codes([status["description"]])}
        own = told()[request][2]
        assert own | anywhere == refused | anywhere, request


def _refusals(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (each for status, each in operation["responses"].items() if int(status) >= 400)


def test_every_success_is_told(document: dict[str, Any]) -> None:
    answers = {(method, path): answer for method, path, _, _, answer, _ in _ROW.findall(PAGE.read_text())}
    for request, operation in operations(document):
        usual = {"201", "204"} & operation["responses"].keys()
        assert all(status in answers[request] for status in usual), request


@pytest.mark.parametrize(("heading", "schema"), BODIES.items())
def test_every_field_of_a_body_is_told(document: dict[str, Any], heading: str, schema: str) -> None:
    assert fields_told(heading) == set(document["components"]["schemas"][schema]["properties"])


def test_every_scope_is_told() -> None:
    assert fields_told("Tokens") == set(Access)


def test_everything_that_may_become_of_trying_a_connection_is_told() -> None:
    assert all(f"`{verdict}`" in part("Connections") for verdict in Verdict)


@pytest.mark.parametrize("schema", NAMED)
def test_every_field_of_a_part_is_told(document: dict[str, Any], schema: str) -> None:
    cells = codes(re.findall(r"^\| (.+?) \|", part_told(schema), re.M))
    assert cells == set(document["components"]["schemas"][schema]["properties"])


def test_what_is_required_is_told(document: dict[str, Any]) -> None:
    tables = {schema: body_told(heading) for heading, schema in BODIES.items()}
    tables |= {name: part_told(name) for name in NAMED}
    for schema, table in tables.items():
        assert required(table) == set(document["components"]["schemas"][schema].get("required", [])), schema


def test_every_body_is_told(document: dict[str, Any]) -> None:
    bodies = [operation["requestBody"] for _, operation in operations(document) if "requestBody" in operation]
    found: set[str] = set()
    waiting = [_named_in(bodies)]
    while waiting:
        for name in waiting.pop() - found:
            found.add(name)
            waiting.append(_named_in(document["components"]["schemas"][name]))
    objects = {name for name in found if "properties" in document["components"]["schemas"][name]}
    assert objects == {*BODIES.values(), *NAMED}


def _named_in(schema: Any) -> set[str]:
    return set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schema)))


def test_the_fields_of_an_error_are_told() -> None:
    assert codes(first_cells(part("Errors"))) == {field.name for field in fields(Problem)}


@pytest.mark.parametrize(
    ("heading", "shape"),
    [
        ("A job", Job),
        ("A row", Row),
        ("An attempt", Attempt),
        ("Usage of an attempt", AttemptUsage),
        ("A record", RecordHistory),
        ("A file", File),
        ("A connection", Connection),
        ("A token", NewToken),
        ("Limits", Limits),
        ("Usage", Usage),
        ("A webhook", NewWebhook),
        ("A delivery", Delivery),
        ("A worker", Worker),
    ],
)
def test_every_field_of_a_shape_is_told(heading: str, shape: type[Any]) -> None:
    assert codes(first_cells(part(heading, REFERENCE / "json.md"))) == {field.name for field in fields(shape)}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with ModelServer() as server:
        instead = {EMBEDDED: '"connection": "endpoint", "model": "your-model"'}
        someone = Reader(tmp_path, server.url, instead=instead)
        someone.run(f"rowmill connections add endpoint --no-key --base-url {server.url}")
        try:
            yield someone
        finally:
            someone.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_run(reader: Reader) -> None:
    for step in steps(PAGE):
        reader.follow(step)
    reader.wait()


def test_the_examples_are_those_of_the_description() -> None:
    asked = [json.loads(body) for block in blocks(PAGE) for body in _documents(block)]
    assert asked == [ENRICHMENT, {**IMPORT, "file": "$FILE"}, EXPORT]


def _documents(block: Block) -> list[str]:
    return re.findall(r"<<'?END'?[^\n]*\n(.*?)^END$", block.text, re.M | re.S)


def test_each_scope_may_do_what_is_told_and_no_more(reader: Reader) -> None:
    made = {scope: reader.run(f"rowmill tokens create {scope} --scope {scope} 2> /dev/null") for scope in SCOPES}
    tokens = {scope: ended.stdout.strip() for scope, ended in made.items()}
    reader.serve()
    url = f"http://{reader.meant(SERVER)}"
    assert status_and_code("GET", f"{url}/openapi.json", None) == (200, None)
    for (method, path), (scope, _, _) in told().items():
        target = url + re.sub(r"\{(\w+)\}", lambda name: NOBODY[name[1]], path)
        answers = {known: status_and_code(method, target, known and tokens[known]) for known in (None, *SCOPES)}
        needed = 0 if scope == "none" else 1 + SCOPES.index(scope)
        for place, (known, (status, code)) in enumerate(answers.items()):
            refused = (status, code) in ((401, "unauthorized"), (403, "forbidden"))
            assert refused is (place < needed), (method, path, known, status, code)


SCOPES = tuple(Access)
NOBODY = {
    "job_id": "job_0", "file_id": "file_0", "dataset": "nobody", "number": "1", "name": "nobody", "webhook_id": "whk_0",
    "delivery_id": "msg_0", "token_id": "tok_0",
}  # fmt: skip
"""What there is not, so that nothing happens."""


def status_and_code(method: str, url: str, token: str | None) -> tuple[int, str | None]:
    request = urllib.request.Request(url, method=method, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["code"]
