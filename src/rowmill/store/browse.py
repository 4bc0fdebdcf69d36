"""Reading jobs and rows. Every query is short and paged: a long read keeps the log from being checkpointed."""

from collections.abc import Sequence

import orjson

from rowmill.model.errors import NotFound, UsageError
from rowmill.model.job import Execution, Job, Row
from rowmill.model.status import JobStatus, JobType, RowStatus
from rowmill.store.database import Database
from rowmill.store.lines import JOB_SQL, attempt_of, job_of, load_or_none

_OUTCOME = "status, output, step, attempt, started_at, duration, status, code, message, tokens_in, tokens_out, cost"
_CURRENT = "seq <= ? AND (superseded IS NULL OR superseded > ?)"
_NOW = 1 << 62
"""A sequence number after every other: the present."""


class Browse:
    def __init__(self, database: Database) -> None:
        self._database = database

    def job(self, pk: int) -> Job:
        lines = self._database.read(f"{JOB_SQL} WHERE j.pk = ?", (pk,))
        if not lines:
            raise NotFound("The job was deleted.", "List the others with `rowmill jobs`.")
        return job_of(lines[0], self._database)

    def find_job(self, name: str) -> Job:
        """The job called ``name``: its id, a unique prefix of that, or ``last``. Raises ``NotFound``."""
        if name == "last":
            lines = self._database.read(f"{JOB_SQL} ORDER BY j.pk DESC LIMIT 1")
        else:
            prefix = name if name.startswith("job_") else f"job_{name}"
            lines = self._database.read(f"{JOB_SQL} WHERE substr(j.id, 1, ?) = ? LIMIT 2", (len(prefix), prefix))
        if len(lines) > 1:
            raise UsageError(f"More than one job begins with {name!r}.", "Give more of its id.")
        if not lines:
            raise NotFound(f"There is no job {name!r}.", "List them with `rowmill jobs`.")
        return job_of(lines[0], self._database)

    def same_job(self, identity: str) -> Job | None:
        """The newest job that is the same run, unless it was cancelled."""
        sql = f"{JOB_SQL} WHERE j.identity = ? AND j.status <> 'cancelled' ORDER BY j.pk DESC LIMIT 1"
        lines = self._database.read(sql, (identity,))
        return job_of(lines[0], self._database) if lines else None

    def jobs(
        self, status: JobStatus | None = None, type_: JobType | None = None, before: int = _NOW, limit: int = 100
    ) -> list[Job]:
        """A page of jobs, newest first, older than ``before``."""
        lines = self._database.read(
            f"""{JOB_SQL} WHERE j.pk < ? AND j.status = coalesce(?, j.status) AND j.type = coalesce(?, j.type)
                ORDER BY j.pk DESC LIMIT ?""",
            (before, status, type_, limit),
        )
        return [job_of(line, self._database) for line in lines]

    def executions(self, job: int) -> list[Execution]:
        lines = self._database.read(
            """SELECT number, engine, started_at, finished_at, ended_as,
                      CASE WHEN finished_at IS NULL
                           THEN (SELECT succeeded + failed + skipped FROM jobs WHERE pk = job) - began_with
                           ELSE processed END, uncertain
               FROM executions WHERE job = ? ORDER BY number""",
            (job,),
        )
        return [Execution(*line) for line in lines]

    def records(self, job: int, lo: int, hi: int) -> list[tuple[int, int, list[object]]]:
        """(row number, record number, values) of rows ``lo`` to ``hi`` of ``job``."""
        lines = self._database.read(
            """SELECT r.number - j.first_record + 1, r.number, r.data
               FROM jobs j JOIN records r ON r.dataset = j.dataset
               WHERE j.pk = ? AND j.first_record IS NOT NULL
                 AND r.number BETWEEN j.first_record + ? - 1 AND j.first_record + ? - 1
                 AND r.number >= j.first_record AND r.number < j.first_record + j.total
               UNION ALL
               SELECT s.number, s.record, r.data FROM jobs j JOIN selection s ON s.job = j.pk
               JOIN records r ON r.dataset = j.dataset AND r.number = s.record
               WHERE j.pk = ? AND j.first_record IS NULL AND s.number BETWEEN ? AND ?
               ORDER BY 1""",
            (job, lo, hi, job, lo, hi),
        )
        return [(number, record, orjson.loads(data)) for number, record, data in lines]

    def rows(self, job: int, lo: int, hi: int, pin: int = _NOW) -> list[Row]:
        """Rows ``lo`` to ``hi`` as they stood at sequence number ``pin``, unsettled ones as pending or running."""
        outcomes = {
            number: (status, output, attempt)
            for number, status, output, *attempt in self._database.read(
                f"SELECT number, {_OUTCOME} FROM outcomes WHERE job = ? AND number BETWEEN ? AND ? AND {_CURRENT}",  # noqa: S608
                (job, lo, hi, pin, pin),
            )
        }
        running = {
            number
            for (number,) in self._database.read(
                "SELECT number FROM slots WHERE job = ? AND number BETWEEN ? AND ?", (job, lo, hi)
            )
        }
        rows = []
        for number, record, values in self.records(job, lo, hi):
            if number in outcomes:
                status, output, line = outcomes[number]
                attempt = attempt_of(tuple(line))
                rows.append(
                    Row(
                        number,
                        record,
                        RowStatus(status),
                        values,
                        load_or_none(output),
                        attempt.code,
                        attempt.message,
                        [attempt],
                    )
                )
            else:
                status = RowStatus.RUNNING if number in running else RowStatus.PENDING
                rows.append(Row(number, record, status, values))
        return rows

    def numbers(self, job: int, status: RowStatus, after: int, limit: int) -> list[int]:
        """The numbers of the next rows after ``after`` that are ``status``."""
        if status is RowStatus.PENDING:
            return self._pending(job, after, limit)
        if status is RowStatus.RUNNING:
            sql = "SELECT number FROM slots WHERE job = ? AND number > ? ORDER BY number LIMIT ?"
            params: Sequence[object] = (job, after, limit)
        elif status is RowStatus.FAILED:
            # The literal lets SQLite use the partial index.
            sql = """SELECT number FROM outcomes WHERE job = ? AND status = 'failed' AND superseded IS NULL
                     AND number > ? ORDER BY number LIMIT ?"""
            params = (job, after, limit)
        else:
            sql = """SELECT number FROM outcomes WHERE job = ? AND status = ? AND superseded IS NULL AND number > ?
                     ORDER BY number LIMIT ?"""
            params = (job, status, after, limit)
        return [number for (number,) in self._database.read(sql, params)]

    def attempts(self, job: int, row: Row) -> Row:
        """``row`` with all the attempts that were made on it, in order."""
        sql = f"""
            SELECT seq, {_OUTCOME} FROM outcomes WHERE job = ? AND number = ?
            UNION ALL
            SELECT seq, outcome, NULL, step, attempt, started_at, duration, outcome, code, message, tokens_in,
                   tokens_out, cost
            FROM attempts WHERE job = ? AND number = ? ORDER BY 1
        """  # noqa: S608 - constants only
        lines = self._database.read(sql, (job, row.number, job, row.number))
        made = [attempt_of(line[3:]) for line in lines]
        return Row(row.number, row.record, row.status, row.values, row.output, row.code, row.message, made)

    def failure_codes(self, job: int) -> dict[str, int]:
        """How many rows are failed, by code, the most frequent first."""
        lines = self._database.read(
            """SELECT code, count(*) FROM outcomes WHERE job = ? AND status = 'failed' AND superseded IS NULL
               GROUP BY code ORDER BY 2 DESC""",
            (job,),
        )
        return dict(lines)

    def _pending(self, job: int, after: int, limit: int) -> list[int]:
        deferred = self._database.read(
            "SELECT number FROM deferred WHERE job = ? AND number > ? ORDER BY number LIMIT ?", (job, after, limit)
        )
        numbers = [number for (number,) in deferred]
        chunks = self._database.read("SELECT lo, hi FROM chunks WHERE job = ? AND hi > ? ORDER BY hi", (job, after))
        for lo, hi in chunks:
            first = max(lo, after + 1)
            numbers += range(first, min(hi, first + limit - 1) + 1)
        return sorted(numbers)[:limit]
