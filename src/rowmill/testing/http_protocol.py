"""The little of HTTP/1.1 that a test server needs: requests with a length, one after another on kept connections."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[HttpRequest, "HttpProtocol"], None]


class HttpProtocol(asyncio.Protocol):
    """One connection. ``handler`` gets each request and calls ``send`` or ``abort``, now or later; ``lost`` is called
    when the client goes away in between."""

    def __init__(self, handler: Handler, connections: set["HttpProtocol"], lost: Callable[[], None]) -> None:
        self._handler, self._connections, self._lost = handler, connections, lost
        self._buffer = b""
        self._answering = False
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._answering and not self.closed:
            self._lost()
        self.closed = True

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def send(self, response: HttpResponse) -> None:
        """Answers the request in hand and turns to the next."""
        head = [f"HTTP/1.1 {response.status} {_phrase(response.status)}", f"Content-Length: {len(response.body)}"]
        if "content-type" not in map(str.lower, response.headers):
            head.append("Content-Type: application/json")
        head += [f"{name}: {value}" for name, value in response.headers.items()]
        self._transport.write("\r\n".join([*head, "", ""]).encode("latin-1") + response.body)
        self._answering = False
        self._next()

    def abort(self) -> None:
        """Cuts the connection without a word."""
        self.closed = True
        self._transport.abort()

    def _next(self) -> None:
        if self._answering or (request := self._take()) is None:
            return
        self._answering = True
        self._handler(request, self)

    def _take(self) -> HttpRequest | None:
        """The first whole request in the buffer, if one is there."""
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        method, path, _ = first.split(" ", 2)
        return HttpRequest(method, path, headers, rest[:length])


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
