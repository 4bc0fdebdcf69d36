"""An async client as a blocking one, so that one test does for both."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any


class Blocking:
    """What ``thing`` gives asynchronously, given at once; everything else as it is."""

    def __init__(self, thing: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._thing = thing
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return self._plain(getattr(self._thing, name))

    def __iter__(self) -> Iterator[Any]:
        iterator = aiter(self._thing)
        try:
            while True:
                try:
                    value = self._loop.run_until_complete(anext(iterator))
                except StopAsyncIteration:
                    return
                yield self._plain(value)
        finally:
            self._loop.run_until_complete(iterator.aclose())

    def __eq__(self, other: object) -> bool:
        return bool(self._thing == other)

    def __hash__(self) -> int:
        return hash(self._thing)

    def __repr__(self) -> str:
        return repr(self._thing)

    def _plain(self, value: Any) -> Any:
        if inspect.iscoroutine(value):
            value = self._loop.run_until_complete(value)
        if callable(value) and not isinstance(value, type):
            return lambda *args, **kwargs: self._plain(value(*args, **kwargs))
        if hasattr(value, "__aiter__") or hasattr(value, "_transport"):
            return Blocking(value, self._loop)
        return value
