"""Live events: server-sent events (WHATWG HTML, 9.2), and following a job by them until it stops."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from rowmill.client.display import See
from rowmill.client.errors import ApiError, Unreachable, WaitTimeout
from rowmill.client.exchange import Close, Emit, Exchange, Read, Request, Sleep, Stream, ask, get

_SILENCE = 45.0
"""Seconds without a heartbeat after which a stream is taken for dead."""

_PATIENCE = 300.0
"""Seconds that a server may be out of reach, being started again, while a job is followed."""

_REST = 0.5
_CLOSE = 20.0
"""Seconds between two looks where there are no events, and how long before a deadline looks take the place of events:
a stream tells the time by its heartbeats only."""

_STREAM = {"Accept": "text/event-stream"}
MOVING = ("pending", "running")
"""Statuses that a job leaves by itself, where an engine lives."""


@dataclass(frozen=True)
class Event:
    """``type`` is ``job.`` and what the job has come to, or ``job.progress``; ``data`` is the job as it stood when this
    was sent, with the status that it had come to by the event."""

    type: str
    timestamp: datetime
    data: dict[str, Any] | None
    id: str | None = None


class EventParser:
    """Takes bytes as they come and gives each event that is whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, part: bytes) -> Iterator[Event]:
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").decode().partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                self._data.append(value)
            elif name == "id":
                self._id = value
            elif not line.strip(b"\r") and self._data:
                told = orjson.loads("\n".join(self._data))
                yield Event(told["type"], datetime.fromisoformat(told["timestamp"]), told["data"], self._id)
                self._data = []


def listen(path: str, **query: Any) -> Stream[Event]:
    """The events at ``path`` until the server says that there will be none. After a restart of the server it goes on
    where it was: nothing is missed, except progress. Raises ``Unreachable`` after minutes without a server."""
    last_id: str | None = None
    lost_at: float | None = None
    while True:
        headers = _STREAM | ({"Last-Event-ID": last_id} if last_id else {})
        try:
            answer = yield from ask(Request("GET", path, query, headers, silence=_SILENCE))
            if answer.status == 204:  # it is over, and its end was seen
                yield Close(answer)
                return
            parser = EventParser()
            try:
                while part := (yield Read(answer)):
                    lost_at = None
                    for event in parser.feed(part):
                        if event.type == "end":
                            return
                        last_id = event.id or last_id
                        yield Emit(event)
            finally:
                yield Close(answer)
        except Unreachable:
            lost_at = lost_at or time.monotonic()
            if time.monotonic() > lost_at + _PATIENCE:
                raise
        yield Sleep(_REST)


def follow(path: str, timeout: float | None, see: See) -> Exchange[dict[str, Any]]:
    """The job at ``path`` once it has stopped; ``see`` is called with it whenever there is news. Polls now and then
    where events do not come through. Raises ``WaitTimeout``, and ``Unreachable`` if the server has been out of reach
    for minutes."""
    deadline = None if timeout is None else time.monotonic() + timeout
    lost_at: float | None = None
    eventful = True
    while True:
        try:
            job = yield from get(path)
            lost_at = None
            see(job)
            if job["status"] not in MOVING:
                return job  # type: ignore[no-any-return]
            _check(deadline, f"{job['id']} is still {job['status']}.", "Wait longer, or see what it waits for.")
            if eventful and not job["interrupted"] and (deadline is None or deadline - time.monotonic() > _CLOSE):
                eventful = yield from _hear(path, deadline, see)
                continue
        except Unreachable as error:
            lost_at = lost_at or time.monotonic()
            if time.monotonic() > lost_at + _PATIENCE:
                raise
            _check(deadline, error.message, error.hint)
        yield Sleep(_REST if deadline is None else min(_REST, max(deadline - time.monotonic(), 0.0)))


def _check(deadline: float | None, message: str, hint: str) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise WaitTimeout(message, hint)


def _hear(path: str, deadline: float | None, see: See) -> Exchange[bool]:
    """Listens until there may be something to look at; whether anything was heard at all."""
    try:
        answer = yield from ask(Request("GET", f"{path}/events", headers=_STREAM, silence=_SILENCE))
    except ApiError as error:
        if error.status in (401, 403, 404):
            raise
        return False
    parser = EventParser()
    heard = False
    try:
        while part := (yield Read(answer)):
            events = [*parser.feed(part)]
            if heard and not events:  # a heartbeat; that an engine has died, for which the job waited, is no event
                return True
            for event in events:
                heard = True
                job = event.data
                if job is None or job.get("deleted") or job["status"] not in MOVING or job["interrupted"]:
                    return True
                see(job)
            if deadline is not None and deadline - time.monotonic() <= _CLOSE:
                return True
    finally:
        yield Close(answer)
    return heard
