import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import orjson
import pytest

from rowmill.builtin.processors.http import HttpProcessor
from rowmill.core.errors import UsageError
from rowmill.core.outcome import Done, Failed, Outcome, RetryLater
from rowmill.testing.http_protocol import HttpProtocol, HttpRequest, HttpResponse

SECRET = "very-secret-1234"
CITY: dict[str, Any] = {"city": {"type": "string"}}
PARIS = orjson.dumps({"city": "Paris", "address": {"zip": "75001"}, "tags": ["a", "b"], "size": 2})

FOUND = HttpResponse(200, PARIS)
Answer = HttpResponse | Callable[[HttpRequest], HttpResponse] | None
"""``None`` drops the connection."""


@dataclass
class Api:
    """A server in the loop of the test; ``requests`` are those that came."""

    answer: Answer = FOUND
    requests: list[HttpRequest] = field(default_factory=list)
    connections: set[HttpProtocol] = field(default_factory=set)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, host: str = "127.0.0.1") -> asyncio.Server:
        loop = asyncio.get_running_loop()
        made = lambda: HttpProtocol(self._handle, self.connections, lambda: None)  # noqa: E731
        server = await loop.create_server(made, host, 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def _handle(self, request: HttpRequest, protocol: HttpProtocol) -> None:
        self.requests.append(request)
        if self.answer is None:
            protocol.abort()
        else:
            protocol.send(self.answer(request) if callable(self.answer) else self.answer)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_TOKEN", SECRET)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing of this may be used


def process(
    api: Api,
    *rows: Mapping[str, Any],
    url: str = "/",
    outputs: Mapping[str, Any] = CITY,
    allow_private: bool = True,
    **config: Any,
) -> list[Outcome]:
    """What becomes of rows; a ``url`` that is a path is taken at the server."""

    async def scenario() -> list[Outcome]:
        server = await api.start()
        address = f"{api.url}{url}" if url.startswith("/") else url.replace("PORT", str(api.port))
        step = HttpProcessor({"url": address, "allow_private": allow_private, **config}, outputs)
        await step.open()
        try:
            return [await step.process(row) for row in rows or ({},)]
        finally:
            await step.close()
            for connection in list(api.connections):
                connection.abort()
            server.close()

    return asyncio.run(scenario())


def answered(status: int = 200, body: bytes = PARIS, headers: Mapping[str, str] | None = None) -> Api:
    return Api(HttpResponse(status, body, headers or {}))


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (300, Failed, "http_300"),
        (305, Failed, "http_305"),
        (400, Failed, "bad_request"),
        (401, Failed, "http_401"),
        (402, Failed, "http_402"),
        (403, Failed, "http_403"),
        (404, Failed, "http_404"),
        (408, RetryLater, "http_408"),
        (409, RetryLater, "http_409"),
        (413, Failed, "http_413"),
        (422, Failed, "http_422"),
        (425, RetryLater, "http_425"),
        (429, RetryLater, "rate_limited"),
        (500, RetryLater, "server_error"),
        (503, RetryLater, "server_error"),
        (529, RetryLater, "server_error"),
    ],
)
def test_what_each_status_becomes(status: int, kind: type, code: str) -> None:
    api = answered(status, f"<p>No,\n{SECRET}!</p>".encode())
    [outcome] = process(api, headers={"Authorization": "Bearer ${EXAMPLE_TOKEN}"})
    assert isinstance(outcome, kind)
    assert isinstance(outcome, Failed | RetryLater)
    assert outcome.code == code
    assert outcome.message == f"127.0.0.1:{api.port} answered {status}: <p>No, [secret]!</p>."


@pytest.mark.parametrize("status", [200, 201, 202, 203])
def test_success(status: int) -> None:
    assert process(answered(status), results={"city": "$.city"}) == [Done({"city": "Paris"})]


@pytest.mark.parametrize(
    ("status", "headers", "gate", "after"),
    [
        (429, {}, True, None),
        (429, {"Retry-After": "7"}, True, 7.0),
        (429, {"Date": formatdate(1000), "Retry-After": formatdate(1060, usegmt=True)}, True, 60.0),
        (429, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, True, 360.0),
        (503, {"Retry-After": "3"}, True, 3.0),
        (503, {}, False, None),
        (500, {"Retry-After": "3"}, False, 3.0),
        (409, {"Retry-After": "3"}, False, 3.0),
    ],
)
def test_what_closes_the_gate(status: int, headers: dict[str, str], gate: bool, after: float | None) -> None:
    [outcome] = process(answered(status, headers=headers))
    assert isinstance(outcome, RetryLater)
    assert (outcome.gate, outcome.after) == (gate, after)


def test_a_spent_limit_holds_the_connection() -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2"}
    [outcome] = process(answered(headers=headers), results={"city": "$.city"})
    assert outcome == Done({"city": "Paris"}, hold=2.0)


def test_what_is_sent() -> None:
    api = Api()
    headers = {"Authorization": "Bearer ${EXAMPLE_TOKEN}", "X-Row": "${EXAMPLE_TOKEN}-{{id}}"}
    process(
        api,
        {"id": "${EXAMPLE_TOKEN}", "name": 'a "b"\n', "age": "7", "tags": ["x"]},
        url="/v1/{{id}}?q={{name}}",
        headers=headers,
        body='{"name": "Dr {{name}}", "age": {{age}}, "tags": {{tags}}, "none": {{none}}}',
    )
    [sent] = api.requests
    assert (sent.method, sent.path) == ("POST", "/v1/%24%7BEXAMPLE_TOKEN%7D?q=a%20%22b%22%0A")
    assert sent.headers["authorization"] == f"Bearer {SECRET}"
    assert sent.headers["x-row"] == f"{SECRET}-${{EXAMPLE_TOKEN}}"
    assert sent.headers["user-agent"] == "rowmill"
    assert sent.headers["content-type"] == "application/json"
    assert orjson.loads(sent.body) == {"name": 'Dr a "b"\n', "age": 7, "tags": ["x"], "none": None}


def test_a_get_has_no_body_and_a_method_can_be_named() -> None:
    api = Api()
    process(api)
    process(api, method="put", body="{{doc}}", headers={"Content-Type": "text/csv"})
    assert [(sent.method, sent.headers.get("content-type")) for sent in api.requests] == [
        ("GET", None),
        ("PUT", "text/csv"),
    ]


def test_cookies_are_not_kept() -> None:
    api = answered(headers={"Set-Cookie": "a=b; Path=/"})
    process(api, {}, {})
    assert [sent.headers.get("cookie") for sent in api.requests] == [None, None]


def test_a_connection_is_used_again_and_nothing_is_kept_from_row_to_row() -> None:
    api = Api()
    process(api, *({"id": number} for number in range(5)), url="/{{id}}")
    assert [sent.path for sent in api.requests] == [f"/{number}" for number in range(5)]


def test_a_dropped_connection() -> None:
    api = Api(None)
    [outcome] = process(api)
    assert isinstance(outcome, RetryLater)
    assert outcome.code == "connection"
    assert "127.0.0.1" in outcome.message


def test_nothing_listens() -> None:
    [outcome] = process(Api(), url="http://127.0.0.1:1/")
    assert outcome == RetryLater("connection", "The connection to 127.0.0.1:1 failed: Connection refused.")


def test_a_name_that_is_none() -> None:
    [outcome] = process(Api(), url="http://no-such-host.invalid/")
    assert isinstance(outcome, RetryLater)
    assert outcome.code == "connection"


def test_a_row_that_makes_no_request() -> None:
    api = Api()
    [outcome] = process(api, {"id": ""}, url="/v1/{{id}}")
    assert isinstance(outcome, Failed)
    assert outcome.code == "invalid_request"
    assert api.requests == []


def test_an_answer_that_does_not_fit() -> None:
    [outcome] = process(answered(body=f'{{"city": 7, "echo": "{SECRET}"}}'.encode()), results={"city": "$.city"})
    assert outcome == Failed("invalid_output", "The answer's 'city' does not fit: 7 is not of type \"string\".")


def test_an_answer_that_is_too_long() -> None:
    [outcome] = process(answered(body=b"x" * (16 * 1024 * 1024 + 1)))
    assert isinstance(outcome, Failed)
    assert outcome.code == "too_large"
    [outcome] = process(answered(body=b"x" * (16 * 1024 * 1024)))
    assert isinstance(outcome, Done)


@pytest.mark.parametrize(
    ("status", "method", "after"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST"), (308, "DELETE", "DELETE")],
)
def test_a_redirect_within_the_origin(status: int, method: str, after: str) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        moved = HttpResponse(status, b"", {"Location": "new?a=1"})
        return moved if request.path == "/v1/old" else HttpResponse(200, PARIS)

    api = Api(answer)
    [outcome] = process(api, url="/v1/old", method=method, body="{}", headers={"X-Key": "k"})
    assert isinstance(outcome, Done)
    assert [(sent.method, sent.path) for sent in api.requests] == [(method, "/v1/old"), (after, "/v1/new?a=1")]
    assert [sent.headers.get("x-key") for sent in api.requests] == ["k", "k"]
    assert api.requests[1].body == (b"" if after == "GET" else b"{}")
    assert ("content-type" in api.requests[1].headers) is (after != "GET")


@pytest.mark.parametrize("target", ["http://localhost:PORT/", "https://127.0.0.1:PORT/", "//example.org/", "file:///x"])
def test_a_redirect_to_a_stranger(target: str) -> None:
    api = Api()
    api.answer = lambda _: HttpResponse(302, b"", {"Location": target.replace("PORT", str(api.port))})
    [outcome] = process(api, headers={"Authorization": "${EXAMPLE_TOKEN}"})
    assert isinstance(outcome, Failed)
    assert outcome.code == "redirected"
    assert len(api.requests) == 1


def test_a_redirect_loop() -> None:
    api = answered(302, headers={"Location": "/"})
    [outcome] = process(api)
    assert isinstance(outcome, Failed)
    assert outcome.code == "redirected"
    assert len(api.requests) == 6


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:PORT/",
        "http://localhost:PORT/",
        "http://[::1]:PORT/",
        "http://[::ffff:127.0.0.1]:PORT/",
        "http://0.0.0.0:PORT/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "{{url}}",
    ],
)
def test_private_addresses_are_refused(url: str) -> None:
    api = Api()
    [outcome] = process(api, {"url": "http://127.0.0.1:1/"}, url=url, allow_private=False)
    assert isinstance(outcome, Failed)
    assert outcome.code == "private_address"
    assert "--allow-private" in outcome.message
    assert api.requests == []
    assert api.connections == set()


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1"])
def test_no_other_spelling_of_an_address_gets_past(host: str) -> None:
    api = Api()
    [outcome] = process(api, url=f"http://{host}:PORT/", allow_private=False)
    assert isinstance(outcome, Failed)
    assert outcome.code in ("private_address", "invalid_request")
    assert api.connections == set()


def test_only_private_addresses_that_are_allowed_are_called() -> None:
    assert isinstance(process(Api(), url="http://localhost:PORT/", allow_private=True)[0], Done)


def test_each_call_of_a_name_is_checked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is on the address that is connected to, whatever the name meant when it was asked for before."""
    loop_type = type(asyncio.new_event_loop())

    async def rebound(self: object, host: str, port: int, **_: object) -> list[Any]:
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(loop_type, "getaddrinfo", rebound)
    api = Api()
    [outcome] = process(api, url="http://rebound.example.org:PORT/", allow_private=False)
    assert isinstance(outcome, Failed)
    assert outcome.code == "private_address"
    assert api.connections == set()


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://api.example.com/v1/{{id}}", "http:https://api.example.com"),
        ("http://api.example.com:8080/{{id}}", "http:http://api.example.com:8080"),
        ("https://{{host}}/v1", "http"),
        ("https://api.example.com:{{port}}/v1", "http"),
        ("{{url}}", "http"),
    ],
)
def test_whose_limits_a_call_counts_against(url: str, key: str) -> None:
    step = HttpProcessor({"url": url}, CITY)
    assert step.limit_key == key
    assert step.max_concurrency is None
    assert step.weigh({"id": "x"}) == 0


def test_inputs_are_those_of_all_templates() -> None:
    config = {"url": "https://h/{{a}}", "headers": {"X": "{{b}} ${T}"}, "body": '{"c": {{c}}, "a": "{{ a }}"}'}
    assert HttpProcessor.inputs(config) == ("a", "b", "c")
    assert HttpProcessor.inputs({"url": "https://h/"}) == ()


def test_a_secret_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXAMPLE_TOKEN")
    with pytest.raises(UsageError, match="environment variable EXAMPLE_TOKEN, which is not set"):
        HttpProcessor({"url": "https://h/", "headers": {"Authorization": "Bearer ${EXAMPLE_TOKEN}"}}, CITY)
