"""This process is the only one that works the job: it takes each range of untouched rows whole."""

from typing import Protocol

from rowmill.core.commit import Chunk, Claim
from rowmill.engine.runtime import Runtime
from rowmill.ledger.store import Store


class Backend(Protocol):
    async def next_chunk(self) -> Chunk | None:
        """The next untouched rows for this engine; ``None`` when there are no more."""
        ...


class LocalBackend:
    def __init__(self, store: Store, claim: Claim, runtime: Runtime) -> None:
        self._store = store
        self._claim = claim
        self._runtime = runtime

    async def next_chunk(self) -> Chunk | None:
        return await self._runtime.save(self._store.ledger.take_chunk, self._claim)
