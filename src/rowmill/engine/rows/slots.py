"""The slots of an execution: each holds at most one row, and what the ledger says of it is what is in flight."""

import asyncio
import heapq
from collections.abc import Iterable
from typing import Any


class Slots:
    def __init__(self) -> None:
        self._calls: dict[int, asyncio.Task[Any]] = {}
        self._idle: list[int] = []
        self._known = 0

    @property
    def in_flight(self) -> int:
        return len(self._calls)

    @property
    def calls(self) -> list[asyncio.Task[Any]]:
        return list(self._calls.values())

    def offer(self, emptied: Iterable[int]) -> None:
        """Slots whose rows have settled."""
        for slot in emptied:
            heapq.heappush(self._idle, slot)

    def take(self) -> int:
        """A slot for a row that is about to start."""
        if self._idle:
            return heapq.heappop(self._idle)
        self._known += 1
        return self._known - 1

    def keep(self, emptied: Iterable[int]) -> list[int]:
        """Those of ``emptied`` that were not taken again."""
        idle = set(self._idle)
        return [slot for slot in emptied if slot in idle]

    def begin(self, slot: int, call: asyncio.Task[Any]) -> None:
        self._calls[slot] = call

    def end(self, slot: int) -> None:
        del self._calls[slot]

    def holds(self, slot: int, call: asyncio.Task[Any]) -> bool:
        return self._calls.get(slot) is call

    def abort(self) -> None:
        """Cancels the calls in flight, each once so that it can clean up; they end in their own time."""
        for call in self._calls.values():
            if not call.cancelling():
                call.cancel()
