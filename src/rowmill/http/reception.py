"""How requests come in: none is waited for without end, and one that is refused before its end is heard out, so that
whoever sends it gets to read why."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rowmill.http.problems import MEDIA_TYPE, problem_response, too_large

PATIENCE = 60.0
"""Seconds to wait for the next bytes of a request."""
_HEARD_BYTES = 64 << 20
_HEARD_SECONDS = 10.0
"""What is read, and thrown away, of a request that has been refused."""


class RequestGuard:
    """ASGI middleware. What stalls is answered with a problem document, and so is what the framework itself finds too
    large, in plain text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        await self._app(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._asked = False
        self._whole = False
        self._stalled = False
        self._refused = False
        self._replaced = False

    async def receive(self) -> Message:
        self._asked = True
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout(PATIENCE):
                message = await self._receive()
        except TimeoutError:
            self._stalled = True
            message = {"type": "http.disconnect"}
        self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            response = self._instead_of(message)
            if response is not None:
                self._replaced = True
                await response(self._scope, self.receive, self._pass_on)
                return
        await self._pass_on(message)

    def _instead_of(self, start: Message) -> ASGIApp | None:
        if self._stalled:
            headers = {"Connection": "close"}
            detail = f"Nothing came for {PATIENCE:g} seconds."
            return problem_response("invalid_request", detail, "Send it again.", headers=headers)
        if start["status"] == 413 and (b"content-type", MEDIA_TYPE.encode()) not in start["headers"]:
            return too_large(self._scope)
        return None

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._refused = message["status"] >= 400
        elif self._refused and not self._whole and not message.get("more_body", False) and not self._is_held_back():
            # Whole as the answer is, the connection must not be closed yet: that would take it away from a client that
            # is still sending.
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body"}
        await self._send(message)

    def _is_held_back(self) -> bool:
        """Whether the client waits to be told that its body is wanted."""
        return not self._asked and any(name == b"expect" for name, _ in self._scope["headers"])

    async def _drain(self) -> None:
        heard = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARD_SECONDS):
                while not self._whole and heard < _HEARD_BYTES:
                    heard += len((await self.receive()).get("body", b""))
