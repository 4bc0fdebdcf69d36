"""What to work on next: rows that are due for another try, then untouched ones, read ahead from the store."""

import heapq
from collections import deque
from dataclasses import dataclass, replace

from rowmill.core.commit import Chunk, Claim, Due
from rowmill.core.job import Job
from rowmill.core.retry import ALONE_AFTER
from rowmill.engine.inputs import Inputs
from rowmill.engine.item import Item
from rowmill.engine.rows.local import Backend
from rowmill.engine.runtime import Runtime
from rowmill.ledger.store import Store

_PAGE = 1000
_BACKLOG_PAGE = 200


@dataclass(slots=True)
class _Page:
    """Untouched rows of one chunk that were read ahead."""

    chunk: Chunk
    items: deque[Item]


class Feeder:
    def __init__(
        self,
        store: Store,
        claim: Claim,
        job: Job,
        inputs: Inputs,
        backend: Backend,
        runtime: Runtime,
    ) -> None:
        self._store = store
        self._claim = claim
        self._job = job
        self._inputs = inputs
        self._backend = backend
        self._runtime = runtime
        self._pages: deque[_Page] = deque()
        self._chunk: Chunk | None = None
        self._read_to = 0
        self._due: list[tuple[float, int, Item]] = []
        self._backlog_after: tuple[float, int] = (-1.0, 0)
        self._backlog_left = True
        self._chunks_left = True
        self._alone: int | None = None
        self._touched: dict[int, Chunk] = {}

    def peek(self, now: float, in_flight: int) -> Item | None:
        """The next row that may be worked now, if one is at hand. A row that was in flight at several crashes comes
        up only when nothing else is in flight, and nothing beside it."""
        if self._alone is not None:
            return None
        if self._due and self._due[0][0] <= now:
            item = self._due[0][2]
            return None if item.task.crashes >= ALONE_AFTER and in_flight else item
        return self._pages[0].items[0] if self._pages else None

    def take(self, item: Item) -> None:
        """Hands out the row that ``peek`` has just shown."""
        if item.task.deferred:
            heapq.heappop(self._due)
            if item.task.crashes >= ALONE_AFTER:
                self._alone = item.task.number
            return
        page = self._pages[0]
        page.items.popleft()
        page.chunk.lo = item.task.number + 1
        self._touched[page.chunk.hi] = page.chunk
        if not page.items:
            self._pages.popleft()

    def put_off(self, due: Due, item: Item) -> None:
        """Takes a row back that is to be tried again."""
        heapq.heappush(self._due, (due.at, due.task.number, replace(item, task=due.task)))

    def settled(self, number: int) -> None:
        """The row left its slot."""
        if number == self._alone:
            self._alone = None

    def input_hash(self, item: Item) -> int:
        """See ``Inputs.hash``."""
        return self._inputs.hash(item.values)

    def touched(self) -> list[Chunk]:
        """Chunks that rows were taken from since this was last asked, for the commit that starts those rows."""
        chunks = [Chunk(chunk.lo, chunk.hi) for chunk in self._touched.values()]
        self._touched.clear()
        return chunks

    def next_due(self) -> float | None:
        """When the earliest waiting row may be tried, Unix seconds."""
        return self._due[0][0] if self._due else None

    @property
    def exhausted(self) -> bool:
        """Nothing is left to hand out, now or later, unless a row comes back."""
        return not (self._pages or self._due or self._backlog_left or self._chunks_left)

    @property
    def needs_refill(self) -> bool:
        """Whether it is time to read ahead."""
        backlog = self._backlog_left and len(self._due) < _BACKLOG_PAGE
        return backlog or (self._chunks_left and sum(len(page.items) for page in self._pages) < _PAGE)

    async def read_ahead(self) -> None:
        """Reads one page of what earlier executions put off and one of untouched rows."""
        if self._backlog_left:
            await self._read_backlog()
        if self._chunks_left:
            await self._read_chunk()

    async def _read_backlog(self) -> None:
        limit = _BACKLOG_PAGE
        dues = await self._runtime.load(self._store.ledger.backlog, self._claim, self._backlog_after, limit)
        for due in dues:
            item = replace((await self._read(due.task.number, due.task.number))[0], task=due.task)
            heapq.heappush(self._due, (due.at, due.task.number, item))
        if dues:
            self._backlog_after = (dues[-1].at, dues[-1].task.number)
        self._backlog_left = len(dues) == limit

    async def _read_chunk(self) -> None:
        if self._chunk is None:
            self._chunk = await self._backend.next_chunk()
            if self._chunk is None:
                self._chunks_left = False
                return
            self._read_to = self._chunk.lo - 1
        chunk = self._chunk
        end = min(chunk.hi, self._read_to + _PAGE)
        items = await self._read(self._read_to + 1, end)
        self._pages.append(_Page(chunk, deque(items)))
        self._read_to = end
        if end == chunk.hi:
            self._chunk = None

    async def _read(self, lo: int, hi: int) -> list[Item]:
        return await self._runtime.load(self._inputs.items, self._job, lo, hi)
