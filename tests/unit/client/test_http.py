"""What both HTTP transports do when the network or the server is not at its best."""

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rowmill.client import ApiError, AsyncClient, Client, ClientError, Forbidden, Unreachable, WaitTimeout, exchange
from rowmill.client.address import Address
from rowmill.core.errors import UsageError

from .blocking import Blocking
from .scripted import Script, broken, hang_up, reply, scripted

PAGE = json.dumps({"data": [], "has_more": False, "next_cursor": None}).encode()
FILE = json.dumps(
    {"id": "file_1", "name": "a", "size": 3, "sha256": "", "job": None, "created_at": "2026-02-01T03:04:05.678Z"}
).encode()


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted() as script:
        yield script


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have slept; it does not."""
    slept: list[float] = []

    async def nap(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("rowmill.client.transport.time", SimpleNamespace(sleep=slept.append))
    monkeypatch.setattr("rowmill.client.transport.asyncio.sleep", nap)
    return slept


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, script: Script) -> Iterator[Any]:
    if request.param == "sync":
        with Client(script.url, "rm_token") as client:
            yield client
        return
    loop = asyncio.new_event_loop()
    made = AsyncClient(script.url, "rm_token")
    yield Blocking(made, loop)
    loop.run_until_complete(made.close())
    loop.close()


def test_every_request_carries_the_token(client: Any, script: Script) -> None:
    script.replies = [reply(200, PAGE)]
    assert list(client.tokens.list()) == []
    assert script.asked[0].headers["Authorization"] == "Bearer rm_token"
    assert script.asked[0].headers["User-Agent"].startswith("rowmill-python/")


def test_a_get_is_sent_again_after_a_broken_connection_and_while_the_server_is_busy(
    client: Any, script: Script, naps: list[float]
) -> None:
    script.replies = [hang_up, reply(503), reply(429, Retry_After="7"), broken(PAGE), reply(200, PAGE)]
    assert list(client.tokens.list()) == []
    assert len(script.asked) == 5
    assert 7.0 in naps
    assert max(set(naps) - {7.0}) < 4.0


def test_a_creating_post_is_sent_again_under_the_same_key(client: Any, script: Script) -> None:
    token = {"id": "tok_1", "name": "x", "scope": "read", "created_at": "2026-02-01T03:04:05Z", "used_at": None}
    script.replies = [hang_up, reply(502), reply(201, json.dumps({**token, "token": "rm_1"}).encode())]
    assert client.tokens.create("x", "read").token == "rm_1"
    assert len({asked.headers["Idempotency-Key"] for asked in script.asked}) == 1
    assert len({asked.body for asked in script.asked}) == 1


def test_a_post_that_steers_is_sent_once(client: Any, script: Script) -> None:
    script.replies = [reply(503)]
    with pytest.raises(ApiError) as refused:
        client.jobs.pause("job_1")
    assert refused.value.status == 503
    script.replies = [hang_up]
    with pytest.raises(Unreachable):
        client.jobs.pause("job_1")
    assert len(script.asked) == 2


@pytest.mark.parametrize("told", ["soon", "-3", "Mon, 01 Jan 2001 00:00:00 GMT"])
def test_a_retry_after_that_tells_no_time_to_come_is_passed_over(
    client: Any, script: Script, naps: list[float], told: str
) -> None:
    script.replies = [reply(503, Retry_After=told), reply(200, PAGE)]
    assert list(client.tokens.list()) == []
    assert 0.0 < naps[-1] < 1.0


def test_it_gives_up_after_five_tries(client: Any, script: Script) -> None:
    script.replies = [reply(503)] * 9
    with pytest.raises(ApiError):
        client.jobs.delete("job_1")
    assert len(script.asked) == exchange.TRIES == 5


def test_a_redirect_is_not_followed(client: Any, script: Script) -> None:
    script.replies = [reply(307, Location="https://elsewhere.example/v1/tokens")]
    with pytest.raises(ApiError, match="elsewhere") as refused:
        list(client.tokens.list())
    assert refused.value.code == "redirected"


def test_a_problem_document_becomes_an_error_with_what_it_says(client: Any, script: Script) -> None:
    problem = {"detail": "Not with this token.", "code": "forbidden", "hint": "Use another.", "status": 403}
    script.replies = [reply(403, json.dumps(problem).encode())]
    with pytest.raises(Forbidden) as refused:
        client.jobs.get("job_1")
    error = refused.value
    assert (error.status, error.code, error.message, error.hint) == (
        403, "forbidden", "Not with this token.", "Use another.",
    )  # fmt: skip


@pytest.mark.parametrize("answer", [reply(200, b"<html>"), reply(404, b"<html>"), reply(200, b'{"data": [{}]}')])
def test_what_is_no_rowmill_server_is_said_so(client: Any, script: Script, answer: Any) -> None:
    script.replies = [answer]
    with pytest.raises(ApiError) as refused:
        next(iter(client.tokens.list()))
    assert refused.value.hint


def test_a_file_is_read_again_where_it_is_sent_again(client: Any, script: Script) -> None:
    script.replies = [hang_up, reply(201, FILE)]
    content = io.BytesIO(b"--abc")
    content.seek(2)
    assert client.files.upload(content, "a").id == "file_1"
    assert [asked.body for asked in script.asked] == [b"abc", b"abc"]
    assert not content.closed


def test_a_stream_that_cannot_be_read_again_is_sent_once(client: Any, script: Script) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    script.replies = [hang_up]
    with pytest.raises(Unreachable):
        client.files.upload(Pipe(b"abc"), "a")
    assert len(script.asked) == 1


def test_results_go_on_behind_the_row_at_which_they_broke_off(client: Any, script: Script) -> None:
    lines = [json.dumps({"n": number}).encode() + b"\n" for number in range(4)]
    script.replies = [
        broken(lines[0] + lines[1] + lines[2][:3]), broken(lines[0]), hang_up, reply(200, b"".join(lines)),
    ]  # fmt: skip
    results = client.jobs.results("job_1")
    assert [row["n"] for row in results] == [0, 1, 2, 3]
    assert script.asked[-1].path == "/v1/jobs/job_1/results?format=jsonl"


def test_a_part_of_the_results_is_not_pieced_together(client: Any, script: Script) -> None:
    """Which rows have succeeded may have changed meanwhile."""
    script.replies = [hang_up, broken(b'{"n": 0}\n' * 50_000)]
    rows = iter(client.jobs.results("job_1", only="succeeded"))
    assert next(rows) == {"n": 0}
    with pytest.raises(Unreachable):
        list(rows)
    assert len(script.asked) == 2


def test_a_download_that_broke_off_begins_anew(client: Any, script: Script, tmp_path: Path) -> None:
    script.replies = [broken(b"x" * 100_000), reply(200, b"whole")]
    assert client.jobs.results("job_1").save(tmp_path / "out.csv").read_bytes() == b"whole"


def test_waiting_ends_after_its_time_though_nobody_answers(client: Any, script: Script) -> None:
    script.replies = [hang_up] * exchange.TRIES
    with pytest.raises(WaitTimeout, match="No answer from"):
        client.jobs.wait("job_1", timeout=0.0)


def test_a_reader_that_stops_early_leaves_a_client_that_works(client: Any, script: Script) -> None:
    script.replies = [reply(200, b'{"n": 1}\n' * 50_000), reply(200, PAGE)]
    assert next(iter(client.jobs.results("job_1"))) == {"n": 1}
    assert list(client.tokens.list()) == []


def test_an_async_client_that_was_closed_says_so() -> None:
    async def use() -> None:
        async with AsyncClient("http://127.0.0.1:9") as client:
            with pytest.raises(Unreachable):
                await client.jobs.get("job_1")
        with pytest.raises(ClientError, match="closed"):
            await client.jobs.get("job_1")

    asyncio.run(use())


def test_nobody_at_the_address_is_said_with_what_to_do(client: Any, script: Script) -> None:
    with pytest.raises(Unreachable, match="rowmill serve"), Client("http://127.0.0.1:9") as nobody:
        nobody.jobs.get("job_1")


def test_the_proxy_of_the_environment_is_used_but_not_to_reach_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert Address.of("https://rowmill.example", None).proxy == "http://proxy.example:3128"
    assert Address.of("https://inside.example", None).proxy is None
    assert Address.of("http://127.0.0.1:8642", None).proxy is None
    assert Address.of("http://[::1]:8642", None).proxy is None


def test_a_proxy_is_asked_for_the_whole_url(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", script.url)
    monkeypatch.setenv("no_proxy", "")
    script.replies = [reply(200, PAGE), reply(200, PAGE)]

    async def over_async() -> None:
        async with AsyncClient("http://rowmill.example") as client:
            assert [token async for token in client.tokens.list()] == []

    with Client("http://rowmill.example") as client:
        assert list(client.tokens.list()) == []
    asyncio.run(over_async())
    assert [asked.path for asked in script.asked] == ["http://rowmill.example/v1/tokens"] * 2


def test_a_token_may_end_with_the_newline_of_its_file_and_is_never_said() -> None:
    assert Address.of(None, "rm_token\n").token == "rm_token"
    with pytest.raises(UsageError, match="token") as refused:
        Address.of(None, "rm_tok\nen")
    assert "rm_tok" not in str(refused.value)


@pytest.mark.parametrize("url", ["127.0.0.1:8642", "ftp://x", "http://", "http://[::1", "http://127.0.0.1:99999"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="URL"):
        Client(url)
