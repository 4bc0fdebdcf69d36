"""A receiver of webhooks in the loop of a test, and time that stands still unless it is moved."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from rowmill.engine.runtime import RealRuntime
from rowmill.testing.http_protocol import HttpProtocol, HttpRequest, HttpResponse

T = TypeVar("T")

OK = HttpResponse(204, b"")
Script = Callable[[HttpRequest], HttpResponse | None]
"""``None`` never answers."""


@dataclass
class Receiver:
    """``requests`` are those that came; ``arrived`` wakes whoever waits for another."""

    script: Script = lambda request: OK
    requests: list[HttpRequest] = field(default_factory=list)
    connections: set[HttpProtocol] = field(default_factory=set)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    url: str = ""

    async def came(self, requests: int) -> None:
        """Waits until so many requests have come."""
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= requests)

    def handle(self, request: HttpRequest, protocol: HttpProtocol) -> None:
        self.requests.append(request)
        self._told = asyncio.ensure_future(self._tell())
        if (answer := self.script(request)) is not None:
            protocol.send(answer)

    async def _tell(self) -> None:
        async with self.arrived:
            self.arrived.notify_all()


@asynccontextmanager
async def receiver(script: Script = lambda request: OK) -> AsyncIterator[Receiver]:
    made = Receiver(script)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpProtocol(made.handle, made.connections, lambda: None), "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    try:
        yield made
    finally:
        for connection in list(made.connections):
            connection.abort()
        server.close()


class Stillness(RealRuntime):
    """A runtime whose clock stands still and whose waits last until time is moved on by ``advance``."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self.random = Random(1)
        self._now = now
        self._moved = asyncio.Event()
        self._changed = asyncio.Condition()
        self.rests = 0
        """How often somebody has begun to wait for time to pass."""

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        until = self._now + seconds
        self.rests += 1
        await self._tell()
        while self._now < until:
            await self._moved.wait()

    def advance(self, seconds: float) -> None:
        self._now += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    def save(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        return self._save(function, *args)

    async def until(self, so: Callable[[], bool]) -> None:
        """Waits until something that was saved, or a rest, makes it ``so``."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(so)

    async def _save(self, function: Callable[..., T], *args: Any) -> T:
        try:
            return await super().save(function, *args)
        finally:
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
