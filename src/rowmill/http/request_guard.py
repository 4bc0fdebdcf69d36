"""Protects a port without a proxy: clients that stall are disconnected, and one whose request is refused before it has
been sent in full can still read why."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rowmill.http.problems import MEDIA_TYPE, problem_response, too_large


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """``body_timeout``: seconds to wait for the next bytes of a request. ``read_timeout``: seconds in which a client
    has to take the next bytes of a response. ``drain_bytes`` and ``drain_timeout`` (seconds): how much is read, and
    discarded, of the rest of a request that has been refused."""

    body_timeout: float = 60.0
    read_timeout: float = 120.0
    drain_bytes: int = 64 << 20
    drain_timeout: float = 10.0


DEFAULT_LIMITS = RequestLimits()


class _NotReadError(Exception):
    """The client does not read the response."""


class RequestGuard:
    """ASGI middleware. A request that stalls is answered with a problem document, and so is a 413 of the framework,
    which would be plain text."""

    def __init__(self, app: ASGIApp, limits: RequestLimits = DEFAULT_LIMITS) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._limits)
        with suppress(_NotReadError):  # the server closes a connection whose response is incomplete
            await self._app(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: RequestLimits) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limits = limits
        self._body_wanted = False
        self._received = False
        self._stalled = False
        self._refused = False
        self._replaced = False

    async def receive(self) -> Message:
        self._body_wanted = True
        if self._received:
            return await self._receive()
        try:
            async with asyncio.timeout(self._limits.body_timeout):
                message = await self._receive()
        except TimeoutError:
            self._stalled = True
            message = {"type": "http.disconnect"}
        self._received = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start" and (response := self._replacement(message)):
            self._replaced = True
            await response(self._scope, self.receive, self._pass_on)
        else:
            await self._pass_on(message)

    def _replacement(self, start: Message) -> ASGIApp | None:
        if self._stalled:
            detail = f"Nothing came for {self._limits.body_timeout:g} seconds."
            return problem_response("invalid_request", detail, "Send it again.", headers={"Connection": "close"})
        if start["status"] == 413 and (b"content-type", MEDIA_TYPE.encode()) not in start["headers"]:
            return too_large(self._scope)
        return None

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._refused = message["status"] >= 400
        elif self._refused and not self._received and not message.get("more_body", False):
            # A client that sent Expect: 100-continue sends no body unless it is asked to.
            expects = any(name == b"expect" for name, _ in self._scope["headers"])
            if self._body_wanted or not expects:
                # The response is complete, but closing the connection now would take it away from a client that is
                # still sending.
                await self._send({**message, "more_body": True})
                await self._drain()
                message = {"type": "http.response.body"}
        try:
            async with asyncio.timeout(self._limits.read_timeout):
                await self._send(message)
        except TimeoutError:
            raise _NotReadError from None

    async def _drain(self) -> None:
        drained = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.drain_timeout):
                while not self._received and drained < self._limits.drain_bytes:
                    drained += len((await self.receive()).get("body", b""))
