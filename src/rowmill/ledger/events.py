"""What happened to jobs: written in the transaction in which it did, so that nothing is told that is not so and nothing
that is so goes untold.

Whoever follows events asks for those after the last number that they have seen. So no number may become visible before
a lower one: who writes an event keeps other writers of events waiting until the transaction ends. Write events last.
"""

from dataclasses import dataclass
from typing import Any

from rowmill.core.status import JobStatus, JobType, PauseReason
from rowmill.db.database import Database, Transaction
from rowmill.shapes.events import StatusEvent

_FIELDS = "seq, type, job, job_type, status, pause_reason, at"
_ORDER = "events"


@dataclass(frozen=True, slots=True)
class Event:
    """``type`` is ``job.created``, ``job.deleted`` or ``job.`` and the status that the job has come to; ``seq`` orders
    the events of a store."""

    seq: int
    type: StatusEvent
    job: str
    job_type: JobType
    status: JobStatus
    pause_reason: PauseReason | None
    at: float

    @property
    def known(self) -> dict[str, Any]:
        """What it says of the job, by the names of the job's fields."""
        return {"id": self.job, "type": self.job_type, "status": self.status, "pause_reason": self.pause_reason}


class Events:
    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self, job: str | None = None) -> int:
        """The number of the newest event, with ``job`` (an id) of the newest one of that job; 0 where there is none."""
        where, params = ("WHERE job = ?", (job,)) if job else ("", ())
        sql = f"SELECT coalesce(max(seq), 0) FROM events {where}"  # noqa: S608 - constants only
        return self._database.read(sql, params)[0][0]  # type: ignore[no-any-return]

    def oldest(self) -> int:
        """The number of the oldest event that is still kept, 0 where there is none."""
        return self._database.read("SELECT coalesce(min(seq), 0) FROM events")[0][0]  # type: ignore[no-any-return]

    def after(self, seq: int, limit: int, job: str | None = None) -> list[Event]:
        """The next events after number ``seq``, the oldest first; with ``job`` (an id) only those of that job."""
        where, params = ("AND job = ?", (job,)) if job else ("", ())
        sql = f"SELECT {_FIELDS} FROM events WHERE seq > ? {where} ORDER BY seq LIMIT ?"  # noqa: S608 - constants only
        return [event_of(*line) for line in self._database.read(sql, (seq, *params, limit))]

    def forget(self, before: float) -> None:
        """Removes events older than the moment ``before`` (Unix seconds), but never the newest: numbers go on."""
        with self._database.transaction() as tx:
            tx.execute("DELETE FROM events WHERE at < ? AND seq < (SELECT max(seq) FROM events)", (before,))


def event_of(
    seq: int, type_: StatusEvent, job: str, job_type: str, status: str, pause_reason: str | None, at: float
) -> Event:
    reason = PauseReason(pause_reason) if pause_reason else None
    return Event(seq, type_, job, JobType(job_type), JobStatus(status), reason, at)


def note_status(tx: Transaction, job: int, now: float) -> None:
    """Notes the status that ``job`` has come to, if it is another than was noted last."""
    tx.serialize(_ORDER)
    tx.execute(
        """INSERT INTO events (type, job, job_type, status, pause_reason, at)
           SELECT 'job.' || status, id, type, status, pause_reason, ? FROM jobs WHERE pk = ? AND status <> coalesce(
              (SELECT status FROM events WHERE events.job = jobs.id ORDER BY seq DESC LIMIT 1), '')""",
        (now, job),
    )


def note(tx: Transaction, type_: str, job: int, now: float) -> None:
    """Notes what is news though the status may be what it was: that ``job`` was created, is about to be deleted, or was
    taken up, maybe after a crash."""
    tx.serialize(_ORDER)
    tx.execute(
        """INSERT INTO events (type, job, job_type, status, pause_reason, at)
           SELECT ?, id, type, status, pause_reason, ? FROM jobs WHERE pk = ?""",
        (type_, now, job),
    )
