import asyncio
from collections.abc import Awaitable, Callable

import pytest

from rowmill.testing.http_protocol import HttpRequest, HttpResponse
from rowmill.webhooks.request import Answer, open_sender, post
from tests.support.receiver import Script, receiver

NOW = 1_700_000_000.0
BODY = b'{"type":"job.completed"}'


def _post(url: str, *, within: float = 20.0, allow_private: bool = True) -> Awaitable[Answer]:
    async def scenario() -> Answer:
        async with open_sender(allow_private=allow_private) as session:
            return await post(session, url, BODY, {"webhook-id": "msg_1"}, within=within, now=NOW)

    return scenario()


def _answer(script: Script, **more: float) -> tuple[Answer, list[HttpRequest]]:
    async def scenario() -> tuple[Answer, list[HttpRequest]]:
        async with receiver(script) as made:
            return await _post(made.url, **more), made.requests  # type: ignore[arg-type]

    return asyncio.run(scenario())


def _raw(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], **more: float) -> Answer:
    """What comes of a server that does as ``serve`` does."""

    async def scenario() -> Answer:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            return await _post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", **more)  # type: ignore[arg-type]

    return asyncio.run(scenario())


def test_what_is_sent_is_a_post_of_the_very_bytes() -> None:
    answer, (request,) = _answer(lambda request: HttpResponse(200, b"thanks"))
    assert answer == Answer(200)
    assert (request.method, request.path, request.body) == ("POST", "/hooks", BODY)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "msg_1"
    assert request.headers["user-agent"] == "rowmill"


def test_every_2xx_is_taken() -> None:
    assert [_answer(lambda request, s=status: HttpResponse(s, b""))[0] for status in (200, 202, 299)] == [  # type: ignore[misc]
        Answer(200),
        Answer(202),
        Answer(299),
    ]


def test_a_refusal_is_quoted_on_one_line_and_cut_short() -> None:
    answer, _ = _answer(lambda request: HttpResponse(500, b"out of\r\n\x1b[31mpaper" + b" and ink" * 100))
    assert answer.status == 500
    assert answer.error
    assert answer.error.startswith("The receiver answered 500. out of [31mpaper and ink")
    assert answer.error.endswith("…")
    assert len(answer.error) < 250


def test_redirects_are_not_followed() -> None:
    answer, requests = _answer(lambda request: HttpResponse(307, b"", {"Location": "/elsewhere"}))
    assert answer.status == 307
    assert "final URL" in (answer.error or "")
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("9" * 400, None),
        ("soon", None),
        ("-5", None),
        ("²", None),
    ],
)
def test_a_receiver_says_how_long_to_wait(value: str, seconds: float | None) -> None:
    head = f"HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode()
    assert _raw(lambda _, writer: _write(writer, head)).retry_after == seconds


def test_a_receiver_that_never_answers_is_given_up() -> None:
    answer, requests = _answer(lambda request: None, within=0.2)
    assert answer == Answer(None, "The receiver did not answer within 0.2 seconds.")
    assert len(requests) == 1


def test_an_answer_without_end_is_not_read() -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 99999999999\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
        except ConnectionError:
            writer.close()

    assert _raw(serve) == Answer(500, f"The receiver answered 500. {'x' * 200}…")
    assert sent < 20_000_000  # what fits between two sockets


@pytest.mark.parametrize(("status", "error"), [(200, None), (503, "The receiver answered 503.")])
def test_the_status_counts_though_the_rest_never_comes(status: int, error: str | None) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 10\r\n\r\n".encode())
        await reader.read()
        writer.close()

    assert _raw(serve, within=0.5) == Answer(status, error)


def test_a_header_that_drips_is_given_up() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-")
        await reader.read()
        writer.close()

    assert _raw(serve, within=0.2).error == "The receiver did not answer within 0.2 seconds."


@pytest.mark.parametrize("head", [b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"])
def test_what_is_no_answer_is_an_error(head: bytes) -> None:
    answer = _raw(lambda _, writer: _write(writer, head))
    assert answer.status is None
    assert answer.error


def test_a_bomb_stays_packed() -> None:
    head = b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
    assert _raw(lambda _, writer: _write(writer, head + b"\x1f\x8b\x08\x00")).status == 500


def test_nobody_listening_is_an_error() -> None:
    async def closed() -> str:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return f"http://127.0.0.1:{port}/?token=secret"

    answer = asyncio.run(_closed_then_post(closed))
    assert answer == Answer(None, "The receiver could not be reached: Connection refused.")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001", "169.254.169.254"]
)
def test_private_addresses_are_refused_without_a_connection(host: str) -> None:
    async def scenario() -> tuple[Answer, int]:
        async with receiver() as made:
            url = made.url.replace("127.0.0.1", host)
            return await _post(url, allow_private=False), len(made.requests)

    answer, requests = asyncio.run(scenario())
    assert requests == 0
    assert answer.status is None
    assert "not on the public internet" in (answer.error or "")


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert _answer(lambda request: HttpResponse(200, b""))[0] == Answer(200)


async def _closed_then_post(closed: Callable[[], Awaitable[str]]) -> Answer:
    return await _post(await closed())


async def _write(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(content)
    await writer.drain()
    writer.close()
