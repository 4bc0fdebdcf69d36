import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rowmill.testing import ChatRequest, Fault, ModelServer, Reply

SCHEMA = {"properties": {"a": {"type": "integer"}, "b": {"type": "string", "enum": ["x", "y"]}, "c": {}}}


class Caller:
    """One kept connection to a server."""

    def __init__(self, server: ModelServer) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)

    def chat(self, prompt: str, headers: dict[str, str] | None = None, **more: Any) -> tuple[int, Any]:
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": prompt}], **more})
        return self.call("POST", "/v1/chat/completions", body, headers)

    def call(self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        self.connection.request(method, path, body, headers or {})
        response = self.connection.getresponse()
        self.headers = response.headers
        return response.status, json.loads(response.read())


def content(answer: tuple[int, Any]) -> str:
    text = answer[1]["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


def test_it_counts_what_it_was_asked() -> None:
    with ModelServer(answer="yes") as server:
        caller = Caller(server)
        assert [content(caller.chat(prompt)) for prompt in ("a", "b", "a")] == ["yes"] * 3
        server.wait_for(3)
        assert server.counts == {"a": 2, "b": 1}
        assert [request.prompt for request in server.requests] == ["a", "b", "a"]
        assert caller.call("GET", "/counts") == (
            200,
            {"total": 3, "peak": 1, "aborted": 0, "counts": {"a": 2, "b": 1}},
        )
        assert caller.call("POST", "/reset") == (200, {})
        assert (server.total, server.counts, server.requests) == (0, {}, [])


def test_without_an_answer_it_fits_the_schema_asked_for() -> None:
    with ModelServer() as server:
        caller = Caller(server)
        assert content(caller.chat("a")) == "ok"
        form = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
        assert json.loads(content(caller.chat("a", response_format=form))) == {"a": 1, "b": "x", "c": "ok"}


def test_a_callable_or_a_list_scripts_the_replies() -> None:
    def shout(chat: ChatRequest) -> str:
        return chat.prompt.upper()

    with ModelServer(script=shout) as server:
        assert content(Caller(server).chat("hey")) == "HEY"
    with ModelServer("later", script=["first", Reply(status=418, headers={"X-Tea": "1"})]) as server:
        caller = Caller(server)
        assert content(caller.chat("a")) == "first"
        assert caller.chat("a")[0] == 418
        assert caller.headers["x-tea"] == "1"
        assert content(caller.chat("a")) == "later"


def test_faults_come_every_so_many_requests() -> None:
    with ModelServer(faults=[Fault(3, Reply(status=500)), Fault(2, Reply(body=b'"garbage"'))]) as server:
        caller = Caller(server)
        answers = [caller.chat(str(number)) for number in range(6)]
    assert [status for status, _ in answers] == [200, 200, 500, 200, 200, 500]
    assert [body == "garbage" for _, body in answers] == [False, True, False, True, False, False]


def test_a_key_may_be_demanded() -> None:
    with ModelServer(key="k") as server:
        caller = Caller(server)
        assert caller.chat("a")[0] == 401
        assert caller.chat("a", headers={"Authorization": "Bearer k"})[0] == 200


def test_a_dropped_connection_and_a_client_that_goes_away() -> None:
    with ModelServer(script=[Reply(drop=True), Reply(hang=True)]) as server:
        with pytest.raises(ConnectionError):
            Caller(server).chat("a")
        leaving = Caller(server)
        leaving.connection.request("POST", "/v1/chat/completions", '{"messages": []}')
        server.wait_for(2)
        assert server.active == 1
        leaving.connection.close()
        server.wait_for_aborted(1)
        assert (server.active, server.aborted) == (0, 1)


def test_latency_delays_each_answer_and_none_waits_for_another() -> None:
    with ModelServer(latency=0.05) as server:
        callers = [Caller(server) for _ in range(5)]
        for caller in callers:
            caller.connection.request("POST", "/v1/chat/completions", '{"messages": []}')
        assert [caller.connection.getresponse().status for caller in callers] == [200] * 5
        assert server.peak == 5


def test_held_replies_are_sent_when_they_are_released() -> None:
    with ModelServer(script=lambda chat: Reply(chat.prompt, held=True)) as server, ThreadPoolExecutor() as threads:
        asked = [threads.submit(Caller(server).chat, prompt) for prompt in ("a", "b")]
        server.wait_for(2)
        assert not any(each.done() for each in asked)
        server.release()
        assert [content(each.result()) for each in asked] == ["a", "b"]
        assert content(Caller(server).chat("c")) == "c"


def test_what_is_no_chat_request_is_refused() -> None:
    with ModelServer() as server:
        caller = Caller(server)
        assert caller.call("POST", "/v1/chat/completions", "[]")[0] == 400
        assert caller.call("GET", "/v1/nothing")[0] == 404
        assert server.total == 0


def test_waiting_for_too_many_requests_ends() -> None:
    with ModelServer() as server, pytest.raises(TimeoutError, match="0 requests arrived"):
        server.wait_for(1, timeout=0.01)


def test_long_runs_may_keep_counts_alone() -> None:
    with ModelServer(keep_requests=False) as server:
        Caller(server).chat("a")
        assert (server.counts, server.requests) == ({"a": 1}, [])
