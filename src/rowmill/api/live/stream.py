"""What one listener is sent, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse
from starlette.types import Receive, Scope, Send

from rowmill.api.live import frames
from rowmill.api.live.frames import StatusFrame, snapshot_of, status_frame
from rowmill.api.live.hub import Hub, Listener, News
from rowmill.core.bounds import NO_LIMIT
from rowmill.core.job import Job
from rowmill.core.status import JobStatus
from rowmill.ledger.store import Store

_PAGE = 100
"""Jobs that are read at a time."""
_GOING_ON = (JobStatus.RUNNING, JobStatus.PENDING, JobStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class Start:
    """Where a stream begins: ``newest`` is the number of the last event when it was asked for; it goes on after
    ``after``, or, where that is ``None``, from how things stand. ``reset`` says that it was asked to go on from where
    nobody knows any more what followed."""

    newest: int
    after: int | None
    reset: bool


def start(store: Store, last_seen: int | None) -> Start:
    """The start for a listener that has seen the events up to number ``last_seen``, or none yet."""
    newest, oldest = store.events.last(), store.events.oldest()
    known = last_seen is not None and oldest - 1 <= last_seen <= newest
    return Start(newest, last_seen if known else None, last_seen is not None and not known)


class EventStream(EventSourceResponse):
    """The events that concern ``listener``, until the client disconnects, the listener is no longer ``allowed``, or the
    hub disconnects it; the stream of one job ends with the job."""

    def __init__(self, store: Store, hub: Hub, listener: Listener, begin: Start, allowed: Callable[[], bool]) -> None:
        # Proxies must neither store nor buffer it.
        super().__init__(self._chunks(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._store = store
        self._hub = hub
        self._listener = listener
        self._begin = begin
        self._allowed = allowed
        self._cursor = begin.newest if begin.after is None else begin.after
        self._marks: dict[str, int] = {}
        self._over = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._hub.listening(self._listener, self._begin.newest):
            await super().__call__(scope, receive, send)

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield frames.greeting(self._cursor)
        if self._begin.reset:
            yield frames.reset(self._store.clock())
        if self._begin.after is None:
            async for chunk in self._as_it_stands():
                yield chunk
        while missed := await asyncio.to_thread(self._missed):
            yield self._statuses(missed)
        self._listener.synced = True
        clock = asyncio.get_running_loop().time
        due = clock() + self._hub.heartbeat
        while not self._over:
            if clock() >= due:
                if not await asyncio.to_thread(self._allowed):
                    return
                due = clock() + self._hub.heartbeat
                yield KEEPALIVE_COMMENT
            try:
                async with asyncio.timeout_at(due):
                    news = await self._listener.queue.get()
            except TimeoutError:
                continue
            if news is None:
                return
            yield self._statuses(news.statuses) + self._progress(news)
        yield frames.end(self._store.clock(), self._cursor)

    async def _as_it_stands(self) -> AsyncIterator[bytes]:
        """The job, or page by page all jobs that go on."""
        if self._listener.job is not None:
            yield await asyncio.to_thread(self._the_job, self._listener.job)
            return
        for status in _GOING_ON:
            before = NO_LIMIT
            while page := await asyncio.to_thread(self._page, status, before):
                before, chunk = page
                yield chunk

    def _the_job(self, id_: str) -> bytes:
        job = self._store.browse.job_by_id(id_)
        # An event that came meanwhile is still to be sent.
        self._over = frames.has_ended(job) and self._store.events.last(id_) <= self._cursor
        return self._shown([job] if job else [])

    def _page(self, status: JobStatus, before: int) -> tuple[int, bytes] | None:
        """Where the next page begins, and this one; ``None`` where there are no more jobs."""
        jobs = self._store.browse.jobs(status, self._listener.job_type, before, _PAGE)
        return (jobs[-1].pk, self._shown(jobs)) if jobs else None

    def _shown(self, jobs: list[Job]) -> bytes:
        snapshots = [snapshot_of(job, self._store.clock()) for job in jobs]
        self._marks |= {each.job: each.mark for each in snapshots}
        return b"".join(each.frame for each in snapshots)

    def _missed(self) -> list[StatusFrame]:
        """The next status events from the store."""
        events = self._store.events.after(self._cursor, self._hub.page, self._listener.job)
        jobs = {id_: self._store.browse.job_by_id(id_) for id_ in {event.job for event in events}}
        now = self._store.clock()
        snapshots = {id_: snapshot_of(job, now) for id_, job in jobs.items() if job}
        return [status_frame(event, snapshots.get(event.job)) for event in events]

    def _statuses(self, statuses: list[StatusFrame]) -> bytes:
        """Those that have not been sent yet; the listener may have read some by itself that the hub queued as well."""
        chunk = b""
        for each in statuses:
            if each.seq <= self._cursor:
                continue
            self._cursor = each.seq
            if not self._listener.concerns(each):
                continue
            chunk += each.frame
            self._over = each.ends and self._listener.job is not None
            if each.ends or each.mark is None:
                self._marks.pop(each.job, None)
            else:
                self._marks[each.job] = each.mark
        return chunk

    def _progress(self, news: News) -> bytes:
        chunk = b""
        for each in news.snapshots:
            if self._marks.get(each.job) != each.mark:
                self._marks[each.job] = each.mark
                chunk += each.frame
        return chunk
