"""An OpenAI-compatible chat server for tests: a real one on a real port, which counts what it was asked.

It runs in a thread of the test's own process (as a process of its own: ``rowmill.testing.model_server``)::

    with ModelServer(answer="positive", faults=[Fault(every=10, reply=Reply(status=500))]) as server:
        ...  # --base-url server.url
        assert server.counts["Is this good?"] == 1
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from rowmill.testing.http_protocol import HttpProtocol, HttpRequest, HttpResponse


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat request that arrived whole."""

    prompt: str
    """The last user message."""
    body: dict[str, Any]
    headers: Mapping[str, str]
    """By lower-case name."""
    path: str


@dataclass(frozen=True, slots=True)
class Reply:
    """How to answer one request. ``body`` (as it is, or as JSON) goes in place of a completion of ``content``."""

    content: str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | dict[str, Any] | None = None
    message: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the completion's message: ``refusal`` …"""
    finish_reason: str = "stop"
    tokens: tuple[int, int] | None = None
    """Tokens in and out; by default a quarter of the characters."""
    latency: float | None = None
    """Seconds before it is sent; by default the server's own."""
    held: bool = False
    """Send it when the server's ``release`` is called, or at once if that has happened already."""
    hang: bool = False
    """Never answer."""
    drop: bool = False
    """Close the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Every so many requests, this reply."""

    every: int
    reply: Reply


Script = Callable[[ChatRequest], "Reply | str"] | Iterable["Reply | str"]


class ModelServer:
    """Serves chat completions on 127.0.0.1.

    ``answer``: the content of every answer; without it, ``ok`` or what the request's JSON Schema asks for.
    ``script``: a callable from a request to a reply, or replies for the first requests, in order.
    ``faults``: tried before the script; the first whose turn it is answers.
    ``latency``: seconds before each answer. ``key``: the one key accepted; others get 401.
    ``keep_requests``: without it only prompts are counted, which keeps long runs small.
    """

    def __init__(
        self,
        answer: str | None = None,
        *,
        script: Script | None = None,
        faults: Sequence[Fault] = (),
        latency: float = 0.0,
        key: str | None = None,
        port: int = 0,
        keep_requests: bool = True,
    ) -> None:
        self._answer, self._faults, self._latency, self._key = answer, faults, latency, key
        self._scripted: Callable[[ChatRequest], Reply | str] | None = script if callable(script) else None
        self._replies: Iterator[Reply | str] = iter(()) if script is None or callable(script) else iter(script)
        self._keep_requests = keep_requests
        self._arrived = threading.Condition()
        self._forget()
        self._connections: set[HttpProtocol] = set()
        self._released = False
        self._held: list[tuple[HttpProtocol, ChatRequest, Reply]] = []
        self.port = port

    def _forget(self) -> None:
        self.requests: list[ChatRequest] = []
        self.counts: Counter[str] = Counter()
        self.total = 0
        self.active = 0
        """Requests now being answered."""
        self.peak = 0
        """The most that were being answered at once."""
        self.aborted = 0
        """Requests whose connection the client closed before the answer."""

    def reset(self) -> None:
        """Forgets what arrived so far, but not what is being answered now."""
        with self._arrived:
            active = self.active
            self._forget()
            self.active = active

    @property
    def url(self) -> str:
        """The base URL, to be given as ``--base-url``."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve_in_thread, args=(ready,), daemon=True, name="model-server")
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve_in_thread(self, ready: threading.Event) -> None:
        loop = self._loop
        server = loop.run_until_complete(self.start(loop))
        ready.set()
        loop.run_forever()
        server.close()
        for connection in list(self._connections):
            connection.abort()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    async def start(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        """Starts to serve within a loop that runs already."""
        server = await loop.create_server(
            lambda: HttpProtocol(self._handle, self._connections, self._lost), "127.0.0.1", self.port, backlog=4096
        )
        self.port = server.sockets[0].getsockname()[1]
        return server

    def wait_for(self, total: int, timeout: float = 120.0) -> None:
        """Blocks until so many requests have arrived; ``TimeoutError`` after ``timeout`` seconds."""
        self._wait(lambda: self.total >= total, timeout)

    def wait_for_aborted(self, aborted: int, timeout: float = 120.0) -> None:
        """Blocks until clients have given so many requests up; ``TimeoutError`` after ``timeout`` seconds."""
        self._wait(lambda: self.aborted >= aborted, timeout)

    def _wait(self, condition: Callable[[], bool], timeout: float) -> None:
        with self._arrived:
            if not self._arrived.wait_for(condition, timeout):
                raise TimeoutError(f"{self.total} requests arrived, {self.aborted} were given up")

    def release(self) -> None:
        """Sends the replies that are held; from now on none is held."""
        self._loop.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        self._released = True
        for connection, chat, reply in self._held:
            self._send(connection, chat, reply)
        self._held.clear()

    def _handle(self, request: HttpRequest, connection: HttpProtocol) -> None:
        if request.path.partition("?")[0].endswith("/chat/completions"):
            self._chat(request, connection)
        elif request.path.partition("?")[0].endswith("/models"):
            self._models(request, connection)
        elif request.path == "/counts":
            told = {"total": self.total, "peak": self.peak, "aborted": self.aborted, "counts": self.counts}
            connection.send(_json_response(200, told))
        elif request.path == "/reset":
            self.reset()
            connection.send(_json_response(200, {}))
        else:
            connection.send(_json_response(404, _error("No such path.", "not_found")))

    def _models(self, request: HttpRequest, connection: HttpProtocol) -> None:
        if self._refuses(request.headers):
            connection.send(_json_response(401, _WRONG_KEY))
        else:
            connection.send(_json_response(200, {"object": "list", "data": [{"id": "test", "object": "model"}]}))

    def _refuses(self, headers: Mapping[str, str]) -> bool:
        return self._key is not None and headers.get("authorization") != f"Bearer {self._key}"

    def _chat(self, request: HttpRequest, connection: HttpProtocol) -> None:
        chat = _chat_request(request)
        if chat is None:
            connection.send(_json_response(400, _error("This is no chat request.", "bad_request")))
            return
        number = self._record(chat)
        reply = self._reply(chat, number)
        if reply.hang:
            return
        if reply.held and not self._released:
            self._held.append((connection, chat, reply))
            return
        latency = self._latency if reply.latency is None else reply.latency
        if latency:
            asyncio.get_running_loop().call_later(latency, self._send, connection, chat, reply)
        else:
            self._send(connection, chat, reply)

    def _record(self, chat: ChatRequest) -> int:
        with self._arrived:
            self.total += 1
            self.counts[chat.prompt] += 1
            if self._keep_requests:
                self.requests.append(chat)
            self.active += 1
            self.peak = max(self.peak, self.active)
            self._arrived.notify_all()
            return self.total

    def _reply(self, chat: ChatRequest, number: int) -> Reply:
        if self._refuses(chat.headers):
            return Reply(status=401, body=_WRONG_KEY)
        for fault in self._faults:
            if number % fault.every == 0:
                return fault.reply
        reply = self._scripted(chat) if self._scripted else next(self._replies, None)
        return reply if isinstance(reply, Reply) else Reply(reply)

    def _send(self, connection: HttpProtocol, chat: ChatRequest, reply: Reply) -> None:
        if connection.closed:
            return
        self.active -= 1
        if reply.drop:
            connection.abort()
        else:
            connection.send(self._response(chat, reply))

    def _response(self, chat: ChatRequest, reply: Reply) -> HttpResponse:
        if reply.body is not None:
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        elif reply.status >= 300:
            body = json.dumps(_error(f"Made to answer {reply.status}.", None)).encode()
        else:
            body = _completion(chat, reply, reply.content if reply.content is not None else self._answer)
        return HttpResponse(reply.status, body, reply.headers)

    def _lost(self) -> None:
        """A client went away while its request was being answered."""
        with self._arrived:
            self.active -= 1
            self.aborted += 1
            self._arrived.notify_all()


def _chat_request(request: HttpRequest) -> ChatRequest | None:
    try:
        body = json.loads(request.body)
        prompts = [message["content"] for message in body["messages"] if message["role"] == "user"]
    except (ValueError, LookupError, TypeError):
        return None
    prompt = prompts[-1] if prompts else ""
    return ChatRequest(prompt if isinstance(prompt, str) else json.dumps(prompt), body, request.headers, request.path)


def _completion(chat: ChatRequest, reply: Reply, content: str | None) -> bytes:
    if content is None:
        content = _fitting(chat.body)
    tokens_in, tokens_out = reply.tokens or (len(chat.prompt) // 4 + 1, len(content) // 4 + 1)
    completion = {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "model": chat.body.get("model"),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **reply.message},
                "finish_reason": reply.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        },
    }
    return json.dumps(completion).encode()


_SAMPLES: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "array": ["ok"]}


def _fitting(body: dict[str, Any]) -> str:
    """The plainest content that the request's ``response_format`` allows."""
    form = body.get("response_format")
    if not form or form["type"] != "json_schema":
        return "ok"
    properties = form["json_schema"]["schema"]["properties"]
    return json.dumps({name: _sample(schema) for name, schema in properties.items()})


def _sample(schema: dict[str, Any]) -> Any:
    return schema["enum"][0] if "enum" in schema else _SAMPLES.get(schema.get("type", ""), "ok")


def _error(message: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "test_error", "code": code}}


_WRONG_KEY = _error("Incorrect API key provided.", "invalid_api_key")


def _json_response(status: int, payload: Any) -> HttpResponse:
    return HttpResponse(status, json.dumps(payload).encode(), {})
