"""The world as the engine sees it: clock, waiting, chance and threads come from here and can be simulated."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Runtime(Protocol):
    random: Random

    def now(self) -> float:
        """Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def save(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        """Runs a call that writes to the store, off the event loop, one after the other."""
        ...

    def load(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        """Runs a call that reads from the store, off the event loop."""
        ...


def relax_gc() -> None:
    """Lets the garbage collector look less often. Rows make no cycles, but so many objects that it would take a fifth
    of the time to find that out."""
    gc.set_threshold(100_000)


class RealRuntime:
    """The machine's own clock and threads. ``close`` lets the threads end, each after the call it is in."""

    def __init__(self) -> None:
        self.random = Random()  # noqa: S311 - jitter is no secret
        self._saver = ThreadPoolExecutor(1, "rowmill-save")
        self._loader = ThreadPoolExecutor(1, "rowmill-load")

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def save(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._saver, function, *args)

    def load(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._loader, function, *args)

    def close(self) -> None:
        self._saver.shutdown(wait=False)
        self._loader.shutdown(wait=False)
