"""What waits for a worker. Cheap enough to be asked several times a second."""

from rowmill.core.job import JobError
from rowmill.core.status import Action, JobStatus, JobType, PauseReason, target
from rowmill.db.database import Database, Presence
from rowmill.db.values import dump_or_none
from rowmill.ledger.events import note_status


class Queue:
    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence

    def waiting(self, type_: JobType, limit: int) -> list[int]:
        """The oldest pending jobs of one type that are left to any worker."""
        lines = self._database.read(
            "SELECT pk FROM jobs WHERE status = 'pending' AND detached = 1 AND type = ? ORDER BY pk LIMIT ?",
            (type_, limit),
        )
        return [pk for (pk,) in lines]

    def interrupted(self) -> list[int]:
        """Jobs that say running although no living engine has them."""
        lines = self._database.read("SELECT pk, engine FROM jobs LEFT JOIN claims ON job = pk WHERE status = 'running'")
        alive = self._presence.alive_among(engine for _, engine in lines if engine)
        return [pk for pk, engine in lines if engine not in alive]

    def requeue(self, job: int, reason: PauseReason, now: float) -> bool:
        """Lets a detached job that is paused for ``reason`` wait for a worker again; ``False`` where it is another."""
        with self._database.transaction() as tx:
            moved = tx.change(
                """UPDATE jobs SET status = ?, pause_reason = NULL, error = NULL
                   WHERE pk = ? AND status = 'paused' AND pause_reason = ? AND detached = 1""",
                (target(JobStatus.PAUSED, Action.RESUME), job, reason),
            )
            if moved:
                note_status(tx, job, now)
        return bool(moved)

    def paused_jobs(self, reason: PauseReason) -> list[int]:
        """The numbers of detached jobs that are paused for ``reason``, the oldest first."""
        sql = "SELECT pk FROM jobs WHERE status = 'paused' AND detached = 1 AND pause_reason = ? ORDER BY pk"
        return [pk for (pk,) in self._database.read(sql, (reason,))]

    def pending_outputs(self, engine: str) -> list[int]:
        """Completed jobs whose output file ``engine`` has to write, or a worker that is dead by now had to."""
        # The status is not asked for in SQL, so that the index of the few with a output_owner is the one used.
        lines = self._database.read("SELECT pk, output_owner, status FROM jobs WHERE output_owner IS NOT NULL")
        completed = [(pk, output_owner) for pk, output_owner, status in lines if status == JobStatus.COMPLETED]
        others = self._presence.alive_among(output_owner for _, output_owner in completed if output_owner != engine)
        return [pk for pk, output_owner in completed if output_owner not in others]

    def take_delivery(self, job: int, engine: str) -> bool:
        """Makes ``engine`` the one that writes the job's output file; ``False`` where another worker was faster, or
        nobody has to any more."""
        lines = self._database.read("SELECT output_owner FROM jobs WHERE pk = ? AND status = 'completed'", (job,))
        if not lines or lines[0][0] is None:
            return False
        before = lines[0][0]
        if before != engine and self._presence.alive(before):
            return False
        with self._database.transaction() as tx:
            sql = "UPDATE jobs SET output_owner = ? WHERE pk = ? AND output_owner = ? AND status = 'completed'"
            return bool(tx.change(sql, (engine, job, before)))

    def delivered(self, job: int, engine: str, error: JobError | None = None) -> None:
        """The output file is written, or cannot be because of ``error``, which the completed job then shows."""
        with self._database.transaction() as tx:
            tx.execute(
                """UPDATE jobs SET output_owner = NULL, error = ?
                   WHERE pk = ? AND output_owner = ? AND status = 'completed'""",
                (dump_or_none(error), job, engine),
            )
