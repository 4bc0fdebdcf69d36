"""A worker: an engine that takes jobs up by itself, and works several at once in one event loop.

It takes up what is left to any worker, the oldest first, and what the death of an engine has interrupted. A pending job
that is not detached belongs to a command that is about to claim it, and is never touched.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress

from rowmill.core.errors import NotFound, StoreError
from rowmill.core.job import Job
from rowmill.core.status import JobType
from rowmill.engine.runtime import RealRuntime
from rowmill.ledger.store import Store
from rowmill.worker.assignment import Assignment, RunResult

_log = logging.getLogger(__name__)

JOBS = 4
"""Jobs that are worked at once, unless told."""

GRACE = 10.0
"""Seconds that a worker which is to stop leaves to the rows in flight, unless told."""

LIMIT = 7.0
"""Seconds after those at which it stops however things stand: beyond what the engine gives a call to end."""

_LOOK = 0.2
_CHORES = 5.0
_STORE_REST = 5.0
_LOST_REST = 2.0
_ALONE_REST = 60.0
"""Seconds between two looks for work, between two rounds of chores, until a store that fails is tried again, until a
job that another process has is thought of again, and until one that cannot be worked here is."""

Chore = Callable[[], object]


class Worker:
    """Works ``jobs`` at once. Of these, enrichments take all but one, since they can last for hours: the last place is
    kept for imports and exports. ``chores`` are called every few seconds, in a thread, one after the other.

    ``notify`` and ``release`` may be called from any thread, and from a signal handler.
    """

    def __init__(self, store: Store, *, jobs: int = JOBS, grace: float = GRACE, chores: Sequence[Chore] = ()) -> None:
        self._store = store
        self._jobs = jobs
        self._grace = grace
        self._chores = chores
        self._runtime = RealRuntime()
        self._engine = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._released = False
        self._at_once = False
        self._assignments: dict[int, Assignment] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: dict[int, float] = {}

    async def run(self) -> bool:
        """Takes up and works jobs until ``release``; returns within ``grace`` and ``LIMIT`` seconds after that.

        ``False`` says that a job would not stop, as in a thread that hangs in a file system: such a process has to end
        by ``os._exit``, and what was not saved is tried again. A call that swallows its cancellation is given up, and
        goes on in the event loop, which must not be waited for. Raises ``StoreError`` where the store fails at the
        very start.
        """
        self._loop = asyncio.get_running_loop()
        self._engine = await self._runtime.save(self._store.join)
        beside = asyncio.create_task(self._do_chores())
        _log.info("worker started", extra={"engine": self._engine, "jobs": self._jobs})
        try:
            while not self._released:
                self._wake.clear()
                await self._take_up()
                await self._rest(_LOOK)
            return await self._let_go()
        finally:
            self._loop = None
            for task in (beside, *self._tasks):
                task.cancel()
            await asyncio.gather(beside, return_exceptions=True)
            with suppress(StoreError):
                await self._runtime.save(self._store.leave, self._engine)
            self._runtime.close()
            _log.info("worker stopped", extra={"engine": self._engine})

    def notify(self) -> None:
        """There may be a new job: looks for work at once."""
        self._soon(self._wake.set)

    def release(self, *, at_once: bool = False) -> None:
        """Takes nothing up any more, saves what is in flight within ``grace`` seconds, or aborts it ``at_once``, and
        leaves the jobs to the next worker."""
        self._released = True
        self._at_once = self._at_once or at_once
        self._soon(self._wake.set)
        if at_once:
            self._soon(self._abort)

    @property
    def working(self) -> list[str]:
        """The ids of the jobs that are in its hands."""
        return [assignment.job.id for assignment in list(self._assignments.values())]

    def _soon(self, function: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(function)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)

    async def _take_up(self) -> None:
        if len(self._assignments) >= self._jobs:
            return
        now = time.monotonic()
        self._resting = {pk: until for pk, until in self._resting.items() if until > now}
        try:
            found = await self._runtime.load(self._find, {*self._assignments, *self._resting})
        except StoreError as error:
            _log.error("no look for work: the store fails", extra={"code": error.code, "error": error.message})
            await self._rest(_STORE_REST)
            return
        except Exception:  # noqa: BLE001 - what is being worked goes on
            _log.exception("no look for work", extra={"code": "internal"})
            await self._rest(_STORE_REST)
            return
        for job in found:
            if self._has_place(job):
                self._begin(job)

    def _find(self, known: Collection[int]) -> list[Job]:
        """What there is to do besides the jobs that are ``known``, the oldest first: enough to fill every place."""
        queue = self._store.queue
        some = self._jobs + len(known)
        numbers = {*queue.interrupted(), *queue.pending_outputs(self._engine)}
        numbers |= {pk for type_ in JobType for pk in queue.waiting(type_, some)}
        return list(self._read(sorted(numbers.difference(known))))

    def _read(self, numbers: Sequence[int]) -> Iterator[Job]:
        for pk in numbers:
            with suppress(NotFound):
                yield self._store.browse.job(pk)

    def _has_place(self, job: Job) -> bool:
        types = [assignment.job.type for assignment in self._assignments.values()]
        if job.type is JobType.ENRICHMENT and types.count(JobType.ENRICHMENT) >= max(1, self._jobs - 1):
            return False
        return len(types) < self._jobs

    def _begin(self, job: Job) -> None:
        if not job.detached and job.output and job.output.path == "-":
            self._resting[job.pk] = float("inf")  # what it writes belongs to the terminal that it was started from
            return
        self._assignments[job.pk] = assignment = Assignment(self._store, self._engine, job)
        task = asyncio.create_task(self._work(assignment))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, assignment: Assignment) -> None:
        pk = assignment.job.pk
        try:
            left = await assignment.work()
            if left is not RunResult.DONE:
                self._resting[pk] = time.monotonic() + (
                    _ALONE_REST if left is RunResult.CANNOT_RUN_HERE else _LOST_REST
                )
        finally:
            del self._assignments[pk]
            self._wake.set()

    async def _let_go(self) -> bool:
        """Leaves every job to the next worker; ``False`` where one would not be left."""
        for assignment in self._assignments.values():
            assignment.release(at_once=self._at_once)
        _log.info("worker stopping", extra={"engine": self._engine, "working": len(self._tasks)})
        if not self._tasks:
            return True
        timer = asyncio.get_running_loop().call_later(self._grace, self._abort)
        _, stubborn = await asyncio.wait(set(self._tasks), timeout=self._grace + LIMIT)
        timer.cancel()
        if stubborn:
            _log.warning("jobs did not stop in time", extra={"stubborn": self.working})
        return not stubborn

    def _abort(self) -> None:
        for assignment in self._assignments.values():
            assignment.release(at_once=True)

    async def _do_chores(self) -> None:
        while self._chores:
            for chore in self._chores:
                await self._do(chore)
            await asyncio.sleep(_CHORES)

    async def _do(self, chore: Chore) -> None:
        try:
            await asyncio.to_thread(chore)
        except Exception:  # noqa: BLE001 - it is tried again
            _log.exception("chore failed", extra={"chore": getattr(chore, "__qualname__", repr(chore))})
