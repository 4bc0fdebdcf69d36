"""Live events: one look at the store for all listeners.

While anybody listens, one task looks at the store, four times a second and briefly: where nothing was committed it asks
for no more than that. What it finds is serialized once and queued for each listener that it concerns. A listener that
falls too far behind is disconnected; it comes back with ``Last-Event-ID`` and reads what it missed from the store.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass

from rowmill.api.live.frames import Snapshot, StatusFrame, snapshot_of, status_frame
from rowmill.core.errors import RowmillError
from rowmill.core.job import Job
from rowmill.core.status import JobStatus, JobType
from rowmill.ledger.store import Store

EVERY = 0.25
"""Seconds between two looks, and so between two progress events of a job."""

HEARTBEAT = 15.0
"""Seconds between two heartbeats of a stream."""

_RUNNING = 1000
"""How many running jobs are followed at a time, the newest."""

_log = logging.getLogger("rowmill.events")


@dataclass(frozen=True, slots=True)
class News:
    """What one look found: status events, oldest first, and jobs as they stand."""

    statuses: list[StatusFrame]
    snapshots: list[Snapshot]


class Listener:
    """Listens to one job (its id), to all jobs, or to those of one type. ``queue`` ends with ``None`` when the hub has
    disconnected it. It is sent status events from the beginning, and snapshots once it is ``synced``: it has then read
    by itself how things stand."""

    def __init__(self, job: str | None = None, job_type: JobType | None = None) -> None:
        self.job = job
        self.job_type = job_type
        self.queue: asyncio.Queue[News | None] = asyncio.Queue()
        self.synced = False

    def concerns(self, of: Snapshot | StatusFrame) -> bool:
        return self.job in (None, of.job) and self.job_type in (None, of.job_type)

    def disconnect(self) -> None:
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class Hub:
    """``every`` and ``heartbeat`` are in seconds. ``page`` is how many status events are read at a time, ``backlog``
    how many looks with news a listener may be behind."""

    def __init__(
        self, store: Store, *, every: float = EVERY, heartbeat: float = HEARTBEAT, page: int = 500, backlog: int = 240
    ) -> None:
        self.heartbeat = heartbeat
        self.page = page
        self.seq = 0
        """The number of the last status event that was seen."""
        self._every = every
        self._backlog = backlog
        self._watcher = Watcher(store, page)
        self._listeners: set[Listener] = set()
        self._following: set[Listener] = set()
        """The listeners that have been sent all snapshots, and need only what changes."""
        self._snapshots: dict[str, Snapshot] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    @contextmanager
    def listening(self, listener: Listener, seq: int) -> Iterator[None]:
        """Queues news for ``listener``. ``seq`` is the number of an event that was the newest a moment ago."""
        self._listeners.add(listener)
        if self._stopped:
            listener.disconnect()
        elif self._task is None:
            self.seq = seq
            self._following, self._snapshots = set(), {}
            self._loop = asyncio.get_running_loop()
            self._task = self._loop.create_task(self._watch())
        try:
            yield
        finally:
            self._listeners.discard(listener)

    def stop(self) -> None:
        """Ends all streams. From any thread, also from a signal's handler."""
        self._stopped = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._disconnect_all)

    def _disconnect_all(self) -> None:
        for listener in self._listeners:
            listener.disconnect()

    async def _watch(self) -> None:
        try:
            while self._listeners and not self._stopped:
                try:
                    await self._look()
                except RowmillError as error:
                    _log.warning("events cannot be read", extra={"error": error.message})
                await asyncio.sleep(self._every)
        finally:
            # Whatever ended it: a listener that connects again starts another.
            self._task = None
            self._disconnect_all()

    async def _look(self) -> None:
        synced = {listener for listener in self._listeners if listener.synced}
        jobs = {listener.job for listener in self._listeners}
        news = await asyncio.to_thread(self._watcher.look, self.seq, jobs, force=not synced <= self._following)
        if news is None:
            return
        self.seq = news.statuses[-1].seq if news.statuses else self.seq
        marks = {job: snapshot.mark for job, snapshot in self._snapshots.items()}
        self._snapshots = {each.job: each for each in news.snapshots}
        unfinished = [each for each in news.snapshots if not each.ended]
        changed = [each for each in unfinished if each.mark != marks.get(each.job)]
        affected = {None} | {each.job for each in news.statuses} | {each.job for each in changed}
        for listener in list(self._listeners):
            if listener in self._following and listener.job not in affected:
                continue
            snapshots = changed if listener in self._following else unfinished if listener in synced else []
            self._queue(listener, news.statuses, snapshots)
        self._following = synced

    def _queue(self, listener: Listener, statuses: list[StatusFrame], snapshots: list[Snapshot]) -> None:
        news = News(
            [each for each in statuses if listener.concerns(each)],
            [each for each in snapshots if listener.concerns(each)],
        )
        if listener.queue.qsize() >= self._backlog:
            listener.disconnect()
        elif news.statuses or news.snapshots:
            listener.queue.put_nowait(news)


class Watcher:
    """Looks at the store; in a thread, as a look may take its time. ``at_least``: seconds after which a look reads even
    if nothing was committed, as the death of an engine commits nothing."""

    def __init__(self, store: Store, page: int, at_least: float = 1.0) -> None:
        self._store = store
        self._page = page
        self._at_least = at_least
        self._version: int | None = None
        self._read_at = 0.0

    def look(self, seq: int, jobs: Set[str | None], *, force: bool) -> News | None:
        """The status events after number ``seq``, and ``jobs`` as they stand, ``None`` among them meaning all that run;
        ``None`` where nothing can be new, unless ``force`` is set."""
        version, at = self._store.database.data_version(), time.monotonic()
        if version == self._version and not force and at - self._read_at < self._at_least:
            return None
        events = self._store.events.after(seq, self._page)
        found = self._jobs({*jobs, *(event.job for event in events)})
        now = self._store.clock()
        snapshots = {job.id: snapshot_of(job, now) for job in found}
        self._version = version if len(events) < self._page else None
        self._read_at = at
        return News([status_frame(event, snapshots.get(event.job)) for event in events], list(snapshots.values()))

    def _jobs(self, wanted: Set[str | None]) -> list[Job]:
        browse = self._store.browse
        found = browse.jobs(JobStatus.RUNNING, limit=_RUNNING) if None in wanted else []
        others = [browse.job_by_id(id_) for id_ in wanted - {job.id for job in found} if id_]
        return [*found, *(job for job in others if job)]
