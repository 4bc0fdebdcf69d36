"""Live events: one look at the store for all listeners.

While anybody listens, one task looks at the store, four times a second and briefly: where nothing was committed it asks
for no more than that. What it finds is written once and kept for all: status events in a buffer, and the newest
snapshot of each job that runs or is listened to. Listeners take from there at their own pace. One that falls behind the
buffer goes on from the store; snapshots for which it was too slow it never sees.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass

from rowmill.api.live.frames import Snapshot, StatusFrame, snapshot_of, status_frame
from rowmill.core.errors import RowmillError
from rowmill.core.job import Job
from rowmill.core.status import JobStatus, JobType
from rowmill.ledger.store import Store

EVERY = 0.25
"""Seconds between two looks: a job's progress is told no more often."""

HEARTBEAT = 15.0
"""Seconds between two signs of life of a stream."""

KEPT = 500
"""Status events that are kept for listeners, and read at a time."""

_AT_LEAST = 1.0
"""Seconds after which a look reads though nothing was committed: that an engine has died stands in no transaction."""

_RUNNING = 1000
"""How many running jobs are followed at a time, the newest."""

_log = logging.getLogger("rowmill.events")


class Listener:
    """Somebody who hears of one job (its id), or of all jobs, or of those of a type.

    ``wake`` is set when there may be something to tell, when ``due`` (of the event loop's clock) has come, and when the
    hub has ``closed`` the listener. ``since`` is the number of the last look that had begun when the listener read the
    store by itself: what that look or an earlier one saw is old.
    """

    def __init__(self, job: str | None = None, job_type: JobType | None = None) -> None:
        self.job = job
        self.job_type = job_type
        self.wake = asyncio.Event()
        self.due = 0.0
        self.since = 0
        self.closed = False

    def concerns(self, of: Snapshot | StatusFrame) -> bool:
        return self.job in (None, of.job) and self.job_type in (None, of.job_type)


class Hub:
    """``every`` and ``heartbeat`` are in seconds."""

    def __init__(self, store: Store, *, every: float = EVERY, heartbeat: float = HEARTBEAT) -> None:
        self.heartbeat = heartbeat
        self.seq = 0
        """The number of the last status event that was seen."""
        self._every = every
        self._watcher = Watcher(store)
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._told: deque[StatusFrame] = deque()
        self._kept_after = 0
        self._snapshots: dict[str, Snapshot] = {}
        self._begun = 0
        self._hurry = True

    @contextmanager
    def listening(self, listener: Listener, seq: int) -> Iterator[None]:
        """Wakes ``listener`` when there may be something to tell. ``seq`` is the number of an event that was the newest
        a moment ago."""
        self._listeners.add(listener)
        listener.closed = self._stopped
        self.synced(listener)
        if self._task is None and not self._stopped:
            self._begin(seq)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    def stop(self) -> None:
        """Ends all streams. From any thread, also from a signal's handler."""
        self._stopped = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close)

    def synced(self, listener: Listener) -> None:
        """``listener`` has just read the store by itself."""
        listener.since = self._begun
        self._hurry = True

    def behind(self, seq: int) -> bool:
        """Whether events after number ``seq`` are not kept any more."""
        return seq < self._kept_after

    def told(self, listener: Listener, seq: int) -> list[StatusFrame]:
        """What is kept of the status events after number ``seq``, in order."""
        found = []
        for told in reversed(self._told):
            if told.seq <= seq:
                break
            if listener.concerns(told):
                found.append(told)
        return found[::-1]

    def snapshots(self, listener: Listener) -> list[Snapshot]:
        """The newest snapshots of jobs that go on, as far as they are newer than what ``listener`` has read."""
        if listener.job is None:
            known = list(self._snapshots.values())
        else:
            known = [self._snapshots[listener.job]] if listener.job in self._snapshots else []
        return [each for each in known if each.look > listener.since and not each.ended and listener.concerns(each)]

    def _begin(self, seq: int) -> None:
        self.seq = self._kept_after = seq
        self._told.clear()
        self._snapshots = {}
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        try:
            while self._listeners and not self._stopped:
                try:
                    await self._look()
                except RowmillError as error:
                    _log.warning("events cannot be read", extra={"error": error.message})
                    self._wake(lambda _: False)
                await asyncio.sleep(self._every)
        finally:
            # Whatever ended it: who connects again starts another.
            self._task = None
            self._close()

    async def _look(self) -> None:
        self._begun += 1
        number, hurry = self._begun, self._hurry
        self._hurry = False
        jobs = {listener.job for listener in self._listeners}
        found = await asyncio.to_thread(self._watcher.look, self.seq, jobs, number, hurry=hurry)
        if found is None:
            self._wake(lambda _: False)
            return
        changed = [each for each in found.snapshots.values() if not _same(each, self._snapshots.get(each.job))]
        self._snapshots = found.snapshots
        self._keep(found.told)
        news: list[Snapshot | StatusFrame] = [*found.told, *changed]
        jobs, types = {each.job for each in news}, {each.job_type for each in news}
        self._wake(
            lambda listener: (
                listener.since == number - 1  # its first look
                or listener.job in jobs
                or (listener.job is None and (listener.job_type in types or bool(types and not listener.job_type)))
            )
        )

    def _keep(self, told: list[StatusFrame]) -> None:
        self._told.extend(told)
        self.seq = told[-1].seq if told else self.seq
        while len(self._told) > KEPT:
            self._kept_after = self._told.popleft().seq

    def _wake(self, concerned: Callable[[Listener], bool]) -> None:
        now = asyncio.get_running_loop().time()
        for listener in self._listeners:
            if listener.due <= now or concerned(listener):
                listener.wake.set()

    def _close(self) -> None:
        for listener in self._listeners:
            listener.closed = True
            listener.wake.set()


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look found: status events, oldest first, and jobs by their ids."""

    told: list[StatusFrame]
    snapshots: dict[str, Snapshot]


class Watcher:
    """Looks at the store; in a thread, as a look may take its time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version: int | None = None
        self._read_at = 0.0

    def look(self, seq: int, jobs: Set[str | None], number: int, *, hurry: bool) -> _Found | None:
        """What there is after event number ``seq``, and ``jobs`` as they stand, ``None`` among them meaning all that
        run; ``None`` where nothing can be new, unless there is a ``hurry``."""
        version, at = self._store.database.data_version(), time.monotonic()
        if version == self._version and not hurry and at - self._read_at < _AT_LEAST:
            return None
        events = self._store.events.after(seq, KEPT)
        found = self._jobs({*jobs, *(event.job for event in events)})
        now = self._store.clock()
        snapshots = {job.id: snapshot_of(job, now, number) for job in found}
        self._version = version if len(events) < KEPT else None
        self._read_at = at
        return _Found([status_frame(event, snapshots.get(event.job)) for event in events], snapshots)

    def _jobs(self, wanted: Set[str | None]) -> list[Job]:
        browse = self._store.browse
        found = browse.jobs(JobStatus.RUNNING, limit=_RUNNING) if None in wanted else []
        others = [browse.job_by_id(id_) for id_ in wanted - {job.id for job in found} if id_]
        return [*found, *(job for job in others if job)]


def _same(now: Snapshot, before: Snapshot | None) -> bool:
    return before is not None and now.mark == before.mark
