"""Jobs and what happened to them, written as server-sent events (the HTML standard, section 9.2)."""

from dataclasses import dataclass, replace

import orjson
from fastapi.sse import format_sse_event

from rowmill.core.job import Job
from rowmill.core.status import JobStatus, JobType
from rowmill.core.timestamps import moment
from rowmill.http.remedies import REMEDIES
from rowmill.jobs.view import job_view
from rowmill.ledger.events import Event
from rowmill.shapes.base import to_json

_ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
_RETRY = 2000
"""Milliseconds after which a browser connects again."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job as it stands: as ``text`` (JSON), and as the ``frame`` of a progress event. ``mark`` changes with anything
    but the time."""

    job: str
    job_type: JobType
    text: str
    frame: bytes
    mark: int
    ended: bool


@dataclass(frozen=True, slots=True)
class StatusFrame:
    """A status event as it is sent. ``mark`` is that of the snapshot in it where that is told just so; ``ends`` says
    that the job has ended."""

    seq: int
    job: str
    job_type: JobType
    frame: bytes
    mark: int | None
    ends: bool


def snapshot_of(job: Job, now: float) -> Snapshot:
    shown = job_view(job, now, REMEDIES)
    text = to_json(shown).decode()
    mark = hash(to_json(replace(shown, duration_seconds=0.0, rate=None, eta_seconds=None)))
    frame = _frame("job.progress", now, text)
    return Snapshot(job.id, job.type, text, frame, mark, has_ended(job))


def status_frame(event: Event, job: Snapshot | None) -> StatusFrame:
    """``event`` with the job as it stands, or as far as the event knows it; the status is the event's own."""
    now = orjson.loads(job.text) if job else {**event.known, "deleted": True}
    told = {**now, **event.known}
    frame = _frame(event.type, event.at, orjson.dumps(told).decode(), event.seq)
    ends = event.type == "job.deleted" or event.status in _ENDED
    # How the job stands is still to be told where it is not what the event led to.
    return StatusFrame(event.seq, event.job, event.job_type, frame, job.mark if job and told == now else None, ends)


def greeting(seq: int) -> bytes:
    """What a stream begins with: ``seq`` is the number of the last event before it, from which a browser goes on that
    loses the connection before it has seen another."""
    return format_sse_event(id=str(seq), retry=_RETRY)


def reset(now: float) -> bytes:
    """Status events may have been missed that are no longer kept."""
    return _frame("reset", now, "null")


def end(now: float, seq: int) -> bytes:
    """The job has ended, and nothing follows."""
    return _frame("end", now, "null", seq)


def has_ended(job: Job | None) -> bool:
    """Whether nothing more happens to ``job`` by itself."""
    return job is None or job.status in _ENDED


def _frame(type_: str, at: float, data: str, seq: int | None = None) -> bytes:
    text = f'{{"type":"{type_}","timestamp":"{moment(at)}","data":{data}}}'
    return format_sse_event(event=type_, data_str=text, id=None if seq is None else str(seq))
