"""Requests to an application in this process, without sockets (ASGI 3.0)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import unquote

from rowmill.client.errors import ClientError, Unreachable
from rowmill.client.exchange import Request, Upload
from rowmill.client.transport import chunks

_AHEAD = 4
"""Parts of an answer that the application may be ahead of whoever reads it."""

_log = logging.getLogger(__name__)


class Call:
    """One request on its way through ``app``. Belongs to one event loop."""

    def __init__(self, app: Any, request: Request) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._request = request
        self._body: AsyncIterator[bytes] | None = None
        self._sent = False
        self._begun = asyncio.Event()
        self._gone = asyncio.Event()
        self._parts: asyncio.Queue[bytes] = asyncio.Queue(_AHEAD)
        self._broken = False
        self._ended = False
        self._task = asyncio.create_task(self._run(app))

    async def begun(self) -> None:
        """Waits for the head of the answer. Raises ``ClientError`` where there is none."""
        await self._begun.wait()
        if not self.status:
            raise ClientError("The application ended without an answer.", "See the log of this process.")

    async def read(self) -> bytes:
        """The next bytes, none at the end. Raises ``Unreachable`` where the answer breaks off."""
        if self._ended:
            return b""
        part = await self._parts.get()
        if not part:
            self._ended = True
            if self._broken:
                raise Unreachable("The answer broke off.", "See the log of this process.")
        return part

    async def close(self) -> None:
        """Lets the application know that nobody reads any more, and waits until it has ended."""
        self._gone.set()
        while not self._parts.empty():  # it may be waiting for room
            self._parts.get_nowait()
        await asyncio.wait([self._task])

    async def _run(self, app: Any) -> None:
        path, _, query = self._request.target.partition("?")
        headers = {"Host": "localhost", **self._request.headers}
        headers.pop("Idempotency-Key", None)  # nothing gets lost on the way, so that nothing is sent twice
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 0),
            "server": ("localhost", 80),
        }
        try:
            async with AsyncExitStack() as opened:
                self._body = self._parts_of(opened)
                await app(scope, self._receive, self._send)
        except Exception:  # noqa: BLE001 - the application has answered with it, or the answer breaks off
            _log.debug("internal error at %s", path, exc_info=True)
            self._broken = True
        finally:
            self._begun.set()
            if not self._gone.is_set():
                await self._parts.put(b"")

    async def _parts_of(self, opened: AsyncExitStack) -> AsyncIterator[bytes]:
        body = self._request.body
        if isinstance(body, Upload):
            async for part in chunks(opened.enter_context(body.open())):
                yield part
        elif body:
            yield body

    async def _receive(self) -> dict[str, Any]:
        assert self._body is not None
        if not self._sent:
            part = await anext(self._body, b"")
            self._sent = not part
            return {"type": "http.request", "body": part, "more_body": bool(part)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            self._begun.set()
        elif message.get("body") and not self._gone.is_set():
            await self._parts.put(message["body"])
