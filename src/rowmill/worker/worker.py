"""A worker: an engine that claims jobs by itself and works several at once in one event loop.

It claims detached jobs, oldest first, and jobs that the death of another engine has interrupted. A pending job that is
not detached belongs to a command that is about to claim it, and is never touched.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rowmill.core.errors import NotFound, StoreError
from rowmill.core.job import Job
from rowmill.core.status import JobType
from rowmill.engine.runtime import RealRuntime
from rowmill.ledger.store import Store
from rowmill.worker.assignment import Assignment, RunResult
from rowmill.worker.maintenance import MaintenanceTask

_log = logging.getLogger(__name__)

JOBS = 4
"""Jobs worked at once by default."""

GRACE = 10.0
"""Seconds that rows in flight get to finish by default when the worker stops."""

LIMIT = 7.0
"""Seconds after the grace at which it stops in any case. More than the engine allows an aborted call."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """How long a worker waits, in seconds."""

    poll: float = 0.2
    """Between two looks for jobs."""

    maintenance: float = 5.0
    """Between two rounds of maintenance."""

    store_retry: float = 5.0
    """After the store failed."""

    lost_job_retry: float = 2.0
    """Until it looks again at a job that another process claimed first."""

    unrunnable_job_retry: float = 60.0
    """Until it tries again an interrupted job that cannot be worked here."""


class Worker:
    """Works up to ``jobs`` at once. Enrichments can last for hours, so they get all but one of these places; the last
    is for imports and exports. The ``maintenance`` tasks are called every few seconds in a thread, one after the other.

    ``notify`` and ``release`` may be called from any thread and from signal handlers.
    """

    def __init__(
        self,
        store: Store,
        *,
        jobs: int = JOBS,
        grace: float = GRACE,
        maintenance: Sequence[MaintenanceTask] = (),
        intervals: Intervals = Intervals(),
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._grace = grace
        self._maintenance = maintenance
        self._intervals = intervals
        self._runtime = RealRuntime()
        self._engine = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._released = False
        self._at_once = False
        self._assignments: dict[int, Assignment] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._put_off: dict[int, float] = {}
        """Jobs that are left alone until a moment of the monotonic clock."""

    async def run(self) -> bool:
        """Works jobs until ``release``, then returns within ``grace`` plus ``LIMIT`` seconds.

        Returns ``False`` if a job did not stop, for example because a thread hangs in a file system. The process then
        has to end with ``os._exit``; what was not saved is tried again. A call that ignores its cancellation is
        abandoned but keeps running in the event loop, so do not wait for the loop's tasks. Raises ``StoreError`` if
        the store fails at the start.
        """
        self._loop = asyncio.get_running_loop()
        self._engine = await self._runtime.save(self._store.join)
        maintenance = asyncio.create_task(self._maintain())
        _log.info("worker started", extra={"engine": self._engine, "jobs": self._jobs})
        try:
            while not self._released:
                self._wake.clear()
                await self._claim_jobs()
                await self._wait(self._intervals.poll)
            return await self._release_jobs()
        finally:
            self._loop = None
            for task in (maintenance, *self._tasks):
                task.cancel()
            await asyncio.gather(maintenance, return_exceptions=True)
            with suppress(StoreError):
                await self._runtime.save(self._store.leave, self._engine)
            self._runtime.close()
            _log.info("worker stopped", extra={"engine": self._engine})

    def notify(self) -> None:
        """Looks for jobs right away."""
        self._call_soon(self._wake.set)

    def release(self, *, at_once: bool = False) -> None:
        """Claims no more jobs, saves the rows in flight within ``grace`` seconds, or aborts them ``at_once``, and
        leaves the jobs to the next worker."""
        self._released = True
        self._at_once = self._at_once or at_once
        self._call_soon(self._wake.set)
        if at_once:
            self._call_soon(self._abort)

    @property
    def working(self) -> list[str]:
        """The ids of the jobs that it holds."""
        return [assignment.job.id for assignment in list(self._assignments.values())]

    def _call_soon(self, function: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(function)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)

    async def _claim_jobs(self) -> None:
        if len(self._assignments) >= self._jobs:
            return
        now = time.monotonic()
        self._put_off = {pk: until for pk, until in self._put_off.items() if until > now}
        try:
            found = await self._runtime.load(self._find, {*self._assignments, *self._put_off})
        except StoreError as error:
            _log.error("cannot look for jobs: the store fails", extra={"code": error.code, "error": error.message})
            await self._wait(self._intervals.store_retry)
            return
        except Exception:  # noqa: BLE001 - the jobs that it holds go on
            _log.exception("cannot look for jobs", extra={"code": "internal"})
            await self._wait(self._intervals.store_retry)
            return
        for job in found:
            if self._has_place(job):
                self._begin(job)

    def _find(self, known: Collection[int]) -> list[Job]:
        """Jobs to work besides those ``known``, oldest first: enough to fill every place."""
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
            self._put_off[job.pk] = float("inf")  # its output belongs on the terminal that started it
            return
        self._assignments[job.pk] = assignment = Assignment(
            self._store, self._engine, job, store_retry=self._intervals.store_retry
        )
        task = asyncio.create_task(self._work(assignment))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, assignment: Assignment) -> None:
        pk = assignment.job.pk
        try:
            match await assignment.work():
                case RunResult.LOST:
                    self._put_off[pk] = time.monotonic() + self._intervals.lost_job_retry
                case RunResult.CANNOT_RUN_HERE:
                    self._put_off[pk] = time.monotonic() + self._intervals.unrunnable_job_retry
        finally:
            del self._assignments[pk]
            self._wake.set()

    async def _release_jobs(self) -> bool:
        """Leaves every job to the next worker; ``False`` if one did not stop."""
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

    async def _maintain(self) -> None:
        while self._maintenance:
            for task in self._maintenance:
                try:
                    await asyncio.to_thread(task)
                except Exception:  # noqa: BLE001 - it is tried again
                    _log.exception("maintenance failed", extra={"task": getattr(task, "__qualname__", repr(task))})
            await asyncio.sleep(self._intervals.maintenance)
