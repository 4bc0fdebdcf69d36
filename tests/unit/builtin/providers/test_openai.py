import asyncio
import socket
from base64 import b64encode
from email.utils import formatdate
from pathlib import Path
from typing import Any

import orjson
import pytest

from rowmill.builtin.providers.chat_response import Answer
from rowmill.builtin.providers.openai import OpenAIProvider
from rowmill.core.errors import UsageError
from rowmill.core.outcome import Failed, RetryLater, StopJob, Usage
from rowmill.plugins.contracts import Completion, Request
from rowmill.testing import ChatRequest, ModelServer, Reply

KEY = "sk-very-secret-1234"
ASK = Request([{"role": "user", "content": "Well?"}])
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


async def ask_all(url: str, *requests: Request, connect_timeout: float = 5.0) -> list[Answer]:
    config = {"base_url": url, "api_key_env": "EXAMPLE_KEY"}
    provider = OpenAIProvider("small", config, connect_timeout=connect_timeout)
    await provider.open()
    try:
        return [await provider.complete(request) for request in requests]
    finally:
        await provider.close()


def ask(reply: Reply) -> Answer:
    with ModelServer(script=[reply]) as server:
        return asyncio.run(ask_all(server.url, ASK))[0]


def refused(status: int, **error: str) -> Reply:
    return Reply(status=status, body={"error": {"message": f"Bad, {KEY}.", **error}})


def with_headers(status: int, **headers: str) -> Reply:
    return Reply(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (refused(400), Failed, "bad_request"),
        (refused(400, code="model_not_found"), StopJob, "unknown_model"),
        (refused(400, code="context_length_exceeded"), Failed, "context_length"),
        (refused(400, message="This model's maximum context length is 8 tokens"), Failed, "context_length"),
        (refused(400, code="content_filter"), Failed, "content_filter"),
        (refused(400, type="billing_hard_limit_reached"), StopJob, "no_credit"),
        (refused(401), StopJob, "key_refused"),
        (refused(402), StopJob, "no_credit"),
        (refused(403), StopJob, "forbidden"),
        (refused(404), StopJob, "unknown_model"),
        (refused(405), Failed, "http_405"),
        (refused(408), RetryLater, "http_408"),
        (refused(409), RetryLater, "http_409"),
        (refused(413), Failed, "context_length"),
        (refused(422), Failed, "http_422"),
        (refused(425), RetryLater, "http_425"),
        (refused(429), RetryLater, "rate_limited"),
        (refused(429, code="rate_limit_exceeded"), RetryLater, "rate_limited"),
        (refused(429, code="insufficient_quota"), StopJob, "no_credit"),
        (refused(429, type="insufficient_quota"), StopJob, "no_credit"),
        (refused(500), RetryLater, "server_error"),
        (refused(502), RetryLater, "server_error"),
        (refused(503), RetryLater, "server_error"),
        (refused(504), RetryLater, "server_error"),
        (refused(529), RetryLater, "server_error"),
        (with_headers(301, Location="https://elsewhere.example.org/v1"), StopJob, "redirected"),
        (with_headers(307, Location="https://elsewhere.example.org/v1"), StopJob, "redirected"),
        (Reply(body=b"<html>"), RetryLater, "invalid_response"),
        (Reply(body={"choices": []}), RetryLater, "invalid_response"),
        (Reply("cut", finish_reason="length"), RetryLater, "invalid_output"),
        (Reply("", finish_reason="content_filter"), Failed, "content_filter"),
        (Reply(drop=True), RetryLater, "connection"),
    ],
)
def test_what_each_answer_becomes(reply: Reply, kind: type, code: str) -> None:
    outcome = ask(reply)
    assert isinstance(outcome, kind)
    assert isinstance(outcome, Failed | RetryLater | StopJob)
    assert outcome.code == code
    assert outcome.message
    assert KEY not in repr(outcome)


@pytest.mark.parametrize(
    ("reply", "gate", "after"),
    [
        (with_headers(429), True, None),
        (with_headers(429, Retry_After="7"), True, 7.0),
        (with_headers(429, retry_after_ms="250"), True, 0.25),
        (with_headers(429, Date=formatdate(1000), Retry_After=formatdate(1060, usegmt=True)), True, 60.0),
        (with_headers(429, X_RateLimit_Remaining_Tokens="0", X_RateLimit_Reset_Tokens="6m0s"), True, 360.0),
        (with_headers(503, Retry_After="3"), True, 3.0),
        (with_headers(503), False, None),
        (with_headers(500, Retry_After="3"), False, 3.0),
    ],
)
def test_what_closes_the_gate_and_for_how_long(reply: Reply, gate: bool, after: float | None) -> None:
    outcome = ask(reply)
    assert isinstance(outcome, RetryLater)
    assert (outcome.gate, outcome.after) == (gate, after)


def test_a_completion_and_its_hold() -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}
    assert ask(Reply("good", tokens=(7, 2), headers=headers)) == Completion("good", Usage(7, 2), hold=1.0)


def test_what_is_sent() -> None:
    with ModelServer() as server:
        request = Request(ASK.messages, SCHEMA, {"temperature": 0, "model": "not this"})
        [answer] = asyncio.run(ask_all(f"{server.url}/", request))
    assert isinstance(answer, Completion)
    assert orjson.loads(answer.text) == {"a": 1}
    [sent] = server.requests
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["content-type"] == "application/json"
    assert sent.body == {
        "temperature": 0,
        "model": "small",
        "messages": ASK.messages,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}},
    }


def test_the_whole_endpoint_may_be_given_and_is_kept_to_the_letter() -> None:
    with ModelServer() as server:
        asyncio.run(ask_all(f"{server.url}/%41%2Fb/chat/completions?api-version=2&x=%3A+%2B#part", ASK))
    assert [sent.path for sent in server.requests] == ["/v1/%41%2Fb/chat/completions?api-version=2&x=%3A+%2B"]


def test_a_server_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXAMPLE_KEY")
    with ModelServer() as server:
        [answer] = asyncio.run(ask_all(server.url, ASK))
    assert answer == Completion("ok", Usage(2, 1))
    assert "authorization" not in server.requests[0].headers


def test_user_info_in_the_url_is_sent_where_there_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer() as server:
        url = server.url.replace("127", "me:p%40ss@127")
        asyncio.run(ask_all(url, ASK))
        monkeypatch.delenv("EXAMPLE_KEY")
        asyncio.run(ask_all(url, ASK))
    basic = b64encode(b"me:p@ss").decode()
    assert [sent.headers["authorization"] for sent in server.requests] == [f"Bearer {KEY}", f"Basic {basic}"]


def test_no_password_is_taken_from_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("EXAMPLE_KEY")
    with ModelServer() as server:
        asyncio.run(ask_all(server.url, ASK))
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with ModelServer() as proxy:
        monkeypatch.setenv("http_proxy", f"{scheme}me:pass@127.0.0.1:{proxy.port}")
        [answer] = asyncio.run(ask_all("http://models.invalid/v1", ASK))
    assert isinstance(answer, Completion)
    [sent] = proxy.requests
    assert sent.path == "http://models.invalid/v1/chat/completions"
    assert sent.headers["proxy-authorization"] == f"Basic {b64encode(b'me:pass').decode()}"


@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.1:{port}"])
def test_a_host_exempt_from_the_proxy_is_called_directly(monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    with ModelServer() as server:
        monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
        monkeypatch.setenv("no_proxy", exempt.format(port=server.port))
        [answer] = asyncio.run(ask_all(server.url, ASK))
    assert isinstance(answer, Completion)


def test_a_proxy_that_does_not_speak_http_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"socks5://me:{KEY}@proxy.invalid")
    with pytest.raises(UsageError, match=r"The proxy in https_proxy is not an HTTP proxy\.") as caught:
        OpenAIProvider("small", {"base_url": "https://models.invalid/v1"})
    assert KEY not in str(caught.value)


def test_a_server_without_json_schema_is_told_in_words_from_then_on() -> None:
    def script(chat: ChatRequest) -> Reply | str:
        if "response_format" in chat.body:
            return Reply(status=400, body={"error": {"message": "response_format is not supported"}})
        return '{"a": 5}'

    with_system = Request([{"role": "system", "content": "Be brief."}, *ASK.messages], SCHEMA)
    with ModelServer(script=script) as server:
        answers = asyncio.run(ask_all(server.url, Request(ASK.messages, SCHEMA), with_system, ASK))
    assert [answer.text for answer in answers if isinstance(answer, Completion)] == ['{"a": 5}'] * 3
    first, again, second, plain = (sent.body for sent in server.requests)
    assert "response_format" in first
    assert [message["role"] for message in again["messages"]] == ["system", "user"]
    assert orjson.dumps(SCHEMA).decode() in again["messages"][0]["content"]
    assert second["messages"][0]["content"].startswith("Be brief.\n\nAnswer with one JSON object")
    assert plain["messages"] == ASK.messages


def test_no_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"http://user:{KEY}@127.0.0.1:{taken.getsockname()[1]}/v1?key={KEY}"
        [outcome] = asyncio.run(ask_all(url, ASK))
    assert isinstance(outcome, RetryLater)
    assert outcome.code == "connection"
    assert outcome.message.startswith("The connection to 127.0.0.1:")
    assert "refused" in outcome.message
    assert KEY not in repr(outcome)


async def ask_stranger(scheme: str, hears: bytes, says: bytes) -> Answer:
    """Asks a server that says something of its own as soon as it has heard so much."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if hears:
            await reader.readuntil(hears)
        writer.write(says)
        writer.close()

    async with await asyncio.start_server(converse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        [answer] = await ask_all(f"{scheme}://user:{KEY}@127.0.0.1:{port}/v1?key={KEY}", ASK)
        return answer


@pytest.mark.parametrize(
    ("scheme", "hears", "says", "cause"),
    [
        ("http", b"}]}", b"", "the server closed it before it had answered."),
        ("http", b"}]}", b"HTTP/1.1 200 OK\r\nSet-Cookie: a", "the server closed it before it had answered."),
        (
            "http",
            b"}]}",
            b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
            "Not enough data to satisfy content length",
        ),
        ("http", b"}]}", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nabc", "Can not decode content-encoding"),
        ("http", b"}]}", b"SSH-2.0-OpenSSH_10.2\r\n\r\n", "Expected HTTP/"),
        ("https", b"", b"SSH-2.0-OpenSSH_10.2\r\n\r\n", "[SSL: WRONG_VERSION_NUMBER]"),
    ],
)
def test_a_connection_that_breaks_is_told_in_words(scheme: str, hears: bytes, says: bytes, cause: str) -> None:
    outcome = asyncio.run(ask_stranger(scheme, hears, says))
    assert isinstance(outcome, RetryLater)
    assert outcome.code == "connection"
    assert cause in outcome.message
    assert "\n" not in outcome.message
    assert KEY not in repr(outcome)


def test_a_host_that_dns_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("no_proxy", "models.invalid")
    [outcome] = asyncio.run(ask_all("http://models.invalid/v1", ASK))
    assert outcome == RetryLater("connection", "The connection to models.invalid failed: Name or service not known.")


def test_a_call_that_may_have_reached_the_server_is_not_repeated_unasked() -> None:
    with ModelServer(script=["first", Reply(drop=True)]) as server:
        first, second = asyncio.run(ask_all(server.url, ASK, ASK))
    assert isinstance(first, Completion)
    assert isinstance(second, RetryLater)
    assert server.total == 2


def test_a_server_that_takes_no_connection_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # TCP connects, but no TLS follows
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        [outcome] = asyncio.run(ask_all(f"https://{server}/v1?key={KEY}", ASK, connect_timeout=0.05))
    assert outcome == RetryLater("timeout", f"{server} took no connection within 0.05 seconds.")


def test_a_cancelled_call_closes_its_connection_at_once_and_others_go_on() -> None:
    def script(chat: ChatRequest) -> Reply:
        return Reply(hang=chat.prompt == "hang")

    async def scenario(server: ModelServer) -> Answer:
        provider = OpenAIProvider("small", {"base_url": server.url})
        await provider.open()
        hanging = asyncio.create_task(provider.complete(Request([{"role": "user", "content": "hang"}])))
        await asyncio.to_thread(server.wait_for, 1)
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        assert hanging.cancelled()
        await asyncio.to_thread(server.wait_for_aborted, 1)
        answer = await provider.complete(ASK)
        await provider.close()
        return answer

    with ModelServer(script=script) as server:
        assert asyncio.run(scenario(server)) == Completion("ok", Usage(2, 1))


def test_there_is_no_limit_on_connections_below_the_concurrency() -> None:
    async def scenario(server: ModelServer) -> None:
        provider = OpenAIProvider("small", {"base_url": server.url})
        await provider.open()
        calls = [asyncio.create_task(provider.complete(ASK)) for _ in range(300)]
        await asyncio.to_thread(server.wait_for, 300)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await provider.close()

    with ModelServer(script=lambda _: Reply(hang=True)) as server:
        asyncio.run(scenario(server))
        assert server.peak == 300


def test_openai_itself_needs_a_key() -> None:
    with pytest.raises(UsageError, match=r"the environment variable OPENAI_API_KEY is not set\. Set OPENAI_API_KEY"):
        OpenAIProvider("small", {})
    assert OpenAIProvider("small", {"api_key_env": "EXAMPLE_KEY"}).limit_key


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("small", {"base_url": "localhost:8000/v1"}),
        ("small", {"base_url": "ftp://localhost/v1"}),
        ("small", {"base_url": "http://"}),
        ("small", {"base_url": "http://:80/v1"}),
        ("small", {"base_url": "http://[::1/v1"}),
        ("small", {"base_url": "http://localhost:99999/v1"}),
        ("small", {"base_url": "http://local..host/v1"}),
        ("small", {"base_url": "http://localhost/a b/v1"}),
        ("small", {"base_url": "http://localhost/v1\r\nX: y"}),
        ("small", {"base_url": f"http://user:{KEY}@localhost:port/v1?key={KEY}"}),
    ],
)
def test_what_cannot_be_reached_is_refused_at_once(model: str, config: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        OpenAIProvider(model, config)
    assert KEY not in str(caught.value)


def test_a_key_that_cannot_be_sent_is_refused_unshown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_KEY", f"{KEY}\nX: y")
    with pytest.raises(UsageError, match="There are characters in the key in EXAMPLE_KEY that no key has") as caught:
        OpenAIProvider("small", {"api_key_env": "EXAMPLE_KEY"})
    assert KEY not in str(caught.value)


def test_limits_are_shared_by_key_and_address_whatever_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def limit_key(model: str = "small", url: str = "http://a/v1") -> str | None:
        return OpenAIProvider(model, {"base_url": url, "api_key_env": "EXAMPLE_KEY"}).limit_key

    first = limit_key()
    assert first == limit_key("large") == limit_key(url="http://a/v1/")
    assert first != limit_key(url="http://b/v1")
    assert KEY not in str(first)
    monkeypatch.setenv("EXAMPLE_KEY", f"{KEY}5")
    assert first != limit_key()


def connection(url: str | None, key: str | None = KEY) -> dict[str, Any]:
    return {"connection": "acme", "base_url": url, "api_key": key}


def check(url: str, model: str = "small", key: str | None = KEY) -> Failed | RetryLater | StopJob | None:
    async def main() -> Failed | RetryLater | StopJob | None:
        provider = OpenAIProvider(model, connection(url, key))
        await provider.open()
        try:
            return await provider.check()
        finally:
            await provider.close()

    return asyncio.run(main())


def test_a_connection_brings_its_own_key_and_never_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-server")
    with ModelServer() as server:
        assert check(server.url) is None
        assert check(server.url, key=None) is None
        sent = [request.headers.get("authorization") for request in server.requests]
    assert sent == [f"Bearer {KEY}", None]
    with pytest.raises(UsageError, match="needs an API key, and the connection acme has none"):
        OpenAIProvider("small", connection(None, None))


def test_a_check_without_a_model_asks_for_the_list_and_makes_no_call() -> None:
    with ModelServer(key=KEY) as server:
        assert check(server.url, model="") is None
        refused = check(server.url, model="", key="another")
        assert server.total == 0
    assert isinstance(refused, StopJob)
    assert (refused.code, refused.hint) == (
        "key_refused",
        "Give it another: rowmill connections add acme --replace",
    )
    assert "refused the key of the connection acme" in refused.message


def test_a_check_of_a_model_asks_for_one_token() -> None:
    with ModelServer(script=[Reply("H", finish_reason="length")]) as server:
        assert check(server.url) is None
        (request,) = server.requests
    assert (request.body["max_tokens"], request.body["model"]) == (1, "small")


def test_a_check_of_a_newer_model_limits_it_by_the_newer_name() -> None:
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with ModelServer(script=[Reply(status=400, body={"error": {"message": said}}), Reply("H")]) as server:
        assert check(server.url) is None
        assert server.requests[1].body["max_completion_tokens"] == 1
        assert "max_tokens" not in server.requests[1].body


def test_a_check_tells_of_missing_credit() -> None:
    with ModelServer(script=[refused(429, code="insufficient_quota")]) as server:
        answer = check(server.url)
    assert isinstance(answer, StopJob)
    assert answer.code == "no_credit"
