"""What one listener is sent, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fastapi.sse import KEEPALIVE_COMMENT
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from rowmill.api.live import frames
from rowmill.api.live.frames import StatusFrame, snapshot_of, status_frame
from rowmill.api.live.hub import Hub, Listener
from rowmill.core.bounds import NO_LIMIT
from rowmill.core.job import Job
from rowmill.core.status import JobStatus
from rowmill.ledger.store import Store

_PAGE = 100
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


class EventStream(StreamingResponse):
    """The events that concern ``listener``, until it goes away, or it is no longer ``allowed``, or the hub stops; the
    stream of one job ends with the job."""

    media_type = "text/event-stream"

    def __init__(self, store: Store, hub: Hub, listener: Listener, begin: Start, allowed: Callable[[], bool]) -> None:
        # Proxies must neither keep it nor wait for more of it.
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
        self._listener.due = self._clock() + self._hub.heartbeat
        if self._begin.reset:
            yield frames.reset(self._store.clock())
        if self._begin.after is None:
            async for chunk in self._as_it_stands():
                yield chunk
        while not self._listener.closed:
            self._listener.wake.clear()
            if self._listener.due <= self._clock():
                if not await asyncio.to_thread(self._allowed):
                    return
                self._listener.due = self._clock() + self._hub.heartbeat
                yield KEEPALIVE_COMMENT
            if self._hub.behind(self._cursor):
                yield await self._catch_up()
                continue
            if chunk := self._news():
                yield chunk
            if self._over:
                yield frames.end(self._store.clock(), self._cursor)
                return
            await self._listener.wake.wait()

    async def _as_it_stands(self) -> AsyncIterator[bytes]:
        """The job, or a page of all that go on after the other."""
        if self._listener.job is not None:
            yield await asyncio.to_thread(self._the_job, self._listener.job)
        else:
            for status in _GOING_ON:
                before = NO_LIMIT
                while page := await asyncio.to_thread(self._page, status, before):
                    before, chunk = page
                    yield chunk
        self._hub.synced(self._listener)

    def _the_job(self, id_: str) -> bytes:
        job = self._store.browse.job_by_id(id_)
        # An event that came meanwhile is still to be told.
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

    async def _catch_up(self) -> bytes:
        """The next status events from the store."""
        seen = self._hub.seq
        told = await asyncio.to_thread(self._from_store)
        self._hub.synced(self._listener)
        chunk = self._note([each for each in told if self._listener.concerns(each)])
        if len(told) == _PAGE:
            self._cursor = told[-1].seq
        else:
            self._cursor = max(self._cursor, seen, *(each.seq for each in told[-1:]))
        return chunk

    def _from_store(self) -> list[StatusFrame]:
        events = self._store.events.after(self._cursor, _PAGE, self._listener.job)
        jobs = {id_: self._store.browse.job_by_id(id_) for id_ in {event.job for event in events}}
        now = self._store.clock()
        snapshots = {id_: snapshot_of(job, now) for id_, job in jobs.items() if job}
        return [status_frame(event, snapshots.get(event.job)) for event in events]

    def _news(self) -> bytes:
        """The next status events from the hub, then whatever has got on."""
        told = self._hub.told(self._listener, self._cursor) if self._cursor < self._hub.seq else []
        self._cursor = max(self._cursor, self._hub.seq)
        chunk = self._note(told)
        for snapshot in self._hub.snapshots(self._listener):
            if self._marks.get(snapshot.job) != snapshot.mark:
                self._marks[snapshot.job] = snapshot.mark
                chunk += snapshot.frame
        return chunk

    def _note(self, told: list[StatusFrame]) -> bytes:
        """Remembers what is about to be sent, and gives it."""
        for each in told:
            self._over = each.ends and self._listener.job is not None
            if each.ends or each.mark is None:
                self._marks.pop(each.job, None)
            else:
                self._marks[each.job] = each.mark
        return b"".join(each.frame for each in told)

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()
