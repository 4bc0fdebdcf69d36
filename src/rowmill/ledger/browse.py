"""Reading jobs and rows. Every query is short and paged: a long read keeps the log from being checkpointed."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from rowmill.core.bounds import NO_LIMIT
from rowmill.core.errors import NotFound, UsageError
from rowmill.core.job import Attempt, Execution, Job, Row, WorkerInfo
from rowmill.core.messages import Message
from rowmill.core.status import JobStatus, JobType, RowStatus
from rowmill.core.transfer import IMPORTABLE_TO, Span
from rowmill.db.database import Database, DbRow, Presence
from rowmill.db.values import load_or_none
from rowmill.ledger.datasets import AT
from rowmill.ledger.mapping import ATTEMPT_COLUMNS, ENGINE_FIELD, JOB_SQL, attempt_of, job_of

_CURRENT = "seq <= ? AND (superseded IS NULL OR superseded > ?)"
_WAITING = "SELECT number FROM deferred WHERE job = ? AND number BETWEEN ? AND ?"
_OVERRULED = "SELECT number FROM outcomes WHERE job = ? AND number BETWEEN ? AND ? AND superseded IS NULL"
_SUPERSEDED = "A later line has the same key."


Settled = tuple[str, dict[str, Any] | None, str | None, str | None]
"""A row's status, output, code and message."""


class Browse:
    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence

    def job(self, pk: int) -> Job:
        lines = self._database.read(f"{JOB_SQL} WHERE j.pk = ?", (pk,))
        if not lines:
            raise NotFound(Message.JOB_DELETED)
        return self._jobs(lines)[0]

    def find_job(self, name: str) -> Job:
        """The job called ``name``: its id, a unique prefix of that, or ``last``, the newest one but completed
        exports. Raises ``NotFound``."""
        if name == "last":
            # An export changes nothing: once it is done, what was done last is what it was made from.
            where = "WHERE NOT (j.type = 'export' AND j.status = 'completed')"
            lines = self._database.read(f"{JOB_SQL} {where} ORDER BY j.pk DESC LIMIT 1")
        else:
            prefix = name if name.startswith("job_") else f"job_{name}"
            lines = self._database.read(f"{JOB_SQL} WHERE substr(j.id, 1, ?) = ? LIMIT 2", (len(prefix), prefix))
        if len(lines) > 1:
            raise UsageError(f"More than one job begins with {name!r}.", "Give more of its id.")
        if not lines:
            raise NotFound(Message.JOB_UNKNOWN, name=name)
        return self._jobs(lines)[0]

    def job_by_id(self, id_: str) -> Job | None:
        """The job of this very id."""
        lines = self._database.read(f"{JOB_SQL} WHERE j.id = ?", (id_,))
        return self._jobs(lines)[0] if lines else None

    def same_job(self, identity: str) -> Job | None:
        """The newest job that is the same run, unless it was cancelled."""
        sql = f"{JOB_SQL} WHERE j.identity = ? AND j.status <> 'cancelled' ORDER BY j.pk DESC LIMIT 1"
        lines = self._database.read(sql, (identity,))
        return self._jobs(lines)[0] if lines else None

    def jobs(
        self, status: JobStatus | None = None, type_: JobType | None = None, before: int = NO_LIMIT, limit: int = 100
    ) -> list[Job]:
        """A page of jobs, newest first, older than ``before``."""
        lines = self._database.read(
            f"""{JOB_SQL} WHERE j.pk < ? AND j.status = coalesce(?, j.status) AND j.type = coalesce(?, j.type)
                ORDER BY j.pk DESC LIMIT ?""",
            (before, status, type_, limit),
        )
        return self._jobs(lines)

    def how_many(self) -> list[tuple[JobType, JobStatus, int]]:
        """How many jobs there are of each type and status."""
        lines = self._database.read("SELECT type, status, count(*) FROM jobs GROUP BY type, status")
        return [(JobType(type_), JobStatus(status), count) for type_, status, count in lines]

    def engines(self) -> list[WorkerInfo]:
        """The engines that are known, living ones and those whose end nobody has noted yet."""
        lines = self._database.read(
            """SELECT e.id, e.pid, e.joined_at, j.id FROM engines e LEFT JOIN claims c ON c.engine = e.id
               LEFT JOIN jobs j ON j.pk = c.job ORDER BY e.joined_at, e.id, j.pk"""
        )
        alive = self._presence.alive_among(line[0] for line in lines)
        found: dict[str, WorkerInfo] = {}
        for id_, pid, joined_at, job in lines:
            known = found.setdefault(id_, WorkerInfo(id_, pid, joined_at, id_ in alive, []))
            known.jobs.extend([job] if job else [])
        return list(found.values())

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
        """(row number, record number, values) of rows ``lo`` to ``hi`` of ``job``, as its dataset stood at the revision
        that the job sees."""
        first, total, dataset, revision = self._database.read(
            "SELECT first_record, total, dataset, revision FROM jobs WHERE pk = ?", (job,)
        )[0]
        if first is not None:
            lo, hi = max(lo, 1), min(hi, total)
            data = self._database.read(
                f"SELECT data FROM records WHERE dataset = ? AND number BETWEEN ? AND ? AND {AT} ORDER BY number",  # noqa: S608
                (dataset, first + lo - 1, first + hi - 1, revision, revision),
            )
            numbers: Iterable[int] = range(lo, lo + len(data))
            records: Iterable[int] = range(first + lo - 1, first + lo - 1 + len(data))
        else:
            lines = self._database.read(
                f"""SELECT data, s.number, s.record FROM selection s JOIN records r ON r.number = s.record
                    WHERE s.job = ? AND s.number BETWEEN ? AND ? AND r.dataset = ? AND {AT}
                    ORDER BY s.number""",  # noqa: S608 - constants only
                (job, lo, hi, dataset, revision, revision),
            )
            data = lines
            numbers, records = [line[1] for line in lines], [line[2] for line in lines]
        # All at once: a third of the time that a call for each takes.
        values = orjson.loads(f"[{','.join([line[0] for line in data])}]")
        return list(zip(numbers, records, values, strict=True))

    def rows(self, job: int, lo: int, hi: int, pin: int = NO_LIMIT) -> list[Row]:
        """Rows ``lo`` to ``hi`` as they stood at sequence number ``pin``, unsettled ones as pending or running."""
        outcomes = self._outcomes(job, lo, hi, pin)
        running = {
            number
            for (number,) in self._database.read(
                "SELECT number FROM slots WHERE job = ? AND number BETWEEN ? AND ?", (job, lo, hi)
            )
        }
        rows = []
        for number, record, values in self.records(job, lo, hi):
            if number in outcomes:
                status, output, attempt = outcomes[number]
                made = [attempt]
                rows.append(Row(number, record, status, values, output, attempt.code, attempt.message, made))
            else:
                status = RowStatus.RUNNING if number in running else RowStatus.PENDING
                rows.append(Row(number, record, status, values))
        return rows

    def lines(self, job: int, lo: int, hi: int) -> list[Row]:
        """Rows ``lo`` to ``hi`` of an import or export, as far as it has looked at them."""
        outcomes = self._outcomes(job, lo, hi, NO_LIMIT)
        waiting = {n for (n,) in self._database.read(_WAITING, (job, lo, hi))}
        spans = iter(self._spans(job, lo, hi))
        span = next(spans, None)
        rows = []
        for number in range(lo, hi + 1):
            while span and span.hi < number:
                span = next(spans, None)
            if number in outcomes:
                status, output, attempt = outcomes[number]
                rows.append(Row(number, None, status, [], output, attempt.code, attempt.message))
            elif span and span.lo <= number:
                record = None if span.record is None else span.record + number - span.lo
                code = span.code if span.status is RowStatus.SKIPPED else None
                message = _SUPERSEDED if code == "superseded" else None
                rows.append(Row(number, record, span.status, [], code=code, message=message))
            elif number in waiting:
                rows.append(Row(number, None, RowStatus.PENDING, []))
            elif span is None:
                break
        return rows

    def any_code(self, job: int, code: str) -> bool:
        """Whether a row is failed with ``code``."""
        sql = "SELECT 1 FROM outcomes WHERE job = ? AND status = 'failed' AND superseded IS NULL AND code = ? LIMIT 1"
        return bool(self._database.read(sql, (job, code)))

    def first_refused(self, job: int) -> dict[str, Any]:
        """What could be read of the first of an import's rows that is failed, by column."""
        lines = self._database.read(
            """SELECT output FROM outcomes WHERE job = ? AND status = 'failed' AND superseded IS NULL
               ORDER BY CASE WHEN code = 'malformed' THEN 1 ELSE 0 END, number LIMIT 1""",
            (job,),
        )
        return load_or_none(lines[0][0]) or {} if lines else {}

    def settled(self, job: int, lo: int, hi: int, pin: int, only: str | None) -> dict[int, Settled]:
        """The outcomes that rows ``lo`` to ``hi`` had at sequence number ``pin``, all or those that are ``only`` so."""
        lines = self._database.read(
            f"""SELECT number, status, output, code, message FROM outcomes
                WHERE job = ? AND number BETWEEN ? AND ? AND status = coalesce(?, status) AND {_CURRENT}""",  # noqa: S608
            (job, lo, hi, only, pin, pin),
        )
        return {
            number: (status, load_or_none(output), code, message) for number, status, output, code, message in lines
        }

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
        numbers = [number for (number,) in self._database.read(sql, params)]
        return sorted(numbers + self._in_spans(job, status, after, limit))[:limit]

    def attempts(self, job: int, row: Row) -> Row:
        """``row`` with all the attempts that were made on it, in order."""
        sql = f"""
            SELECT seq, status, {ATTEMPT_COLUMNS} FROM outcomes WHERE job = ? AND number = ?
            UNION ALL
            SELECT seq, outcome, {ATTEMPT_COLUMNS} FROM attempts WHERE job = ? AND number = ? ORDER BY 1
        """  # noqa: S608 - constants only
        lines = self._database.read(sql, (job, row.number, job, row.number))
        made = [attempt_of(outcome, line) for _, outcome, *line in lines]
        return Row(row.number, row.record, row.status, row.values, row.output, row.code, row.message, made)

    def failure_codes(self, job: int) -> dict[str, int]:
        """How many rows are failed, by code, the most frequent first."""
        lines = self._database.read(
            """SELECT code, count(*) FROM outcomes WHERE job = ? AND status = 'failed' AND superseded IS NULL
               GROUP BY code ORDER BY 2 DESC""",
            (job,),
        )
        return dict(lines)

    def _jobs(self, lines: list[DbRow]) -> list[Job]:
        alive = self._presence.alive_among(engine for line in lines if (engine := line[ENGINE_FIELD]))
        return [job_of(line, alive) for line in lines]

    def _outcomes(self, job: int, lo: int, hi: int, pin: int) -> dict[int, tuple[RowStatus, Any, Attempt]]:
        lines = self._database.read(
            f"""SELECT number, status, output, {ATTEMPT_COLUMNS} FROM outcomes
                WHERE job = ? AND number BETWEEN ? AND ? AND {_CURRENT}""",  # noqa: S608
            (job, lo, hi, pin, pin),
        )
        return {
            number: (RowStatus(status), load_or_none(output), attempt_of(status, attempt))
            for number, status, output, *attempt in lines
        }

    def _spans(self, job: int, lo: int, hi: int) -> list[Span]:
        lines = self._database.read(
            """SELECT lo, hi, status, code, record FROM spans WHERE job = ? AND lo <= ? AND hi >= ?
               AND lo >= (SELECT coalesce(max(lo), 0) FROM spans WHERE job = ? AND lo <= ?) ORDER BY lo""",
            (job, hi, lo, job, lo),
        )
        return [Span(lo, hi, RowStatus(status), code, record) for lo, hi, status, code, record in lines]

    def _in_spans(self, job: int, status: RowStatus, after: int, limit: int) -> list[int]:
        """Rows of an import or export that went by in ranges, but those that an outcome of their own overrules."""
        found: list[int] = []
        sql = "SELECT lo, hi FROM spans WHERE job = ? AND status = ? AND hi > ? ORDER BY lo LIMIT 1000"
        while len(found) < limit and (spans := self._database.read(sql, (job, status, after))):
            for lo, hi in spans:
                first = max(lo, after + 1)
                last = min(hi, first + limit - len(found) - 1)
                overruled = {n for (n,) in self._database.read(_OVERRULED, (job, first, last))}
                found += [number for number in range(first, last + 1) if number not in overruled]
                after = last
                if len(found) >= limit or last < hi:
                    break
        return found

    def _pending(self, job: int, after: int, limit: int) -> list[int]:
        deferred = self._database.read(
            "SELECT number FROM deferred WHERE job = ? AND number > ? ORDER BY number LIMIT ?", (job, after, limit)
        )
        numbers = [number for (number,) in deferred]
        chunks = self._database.read("SELECT lo, hi FROM chunks WHERE job = ? AND hi > ? ORDER BY hi", (job, after))
        for lo, hi in chunks:
            if hi == IMPORTABLE_TO:
                continue  # nobody knows how many lines there are
            first = max(lo, after + 1)
            numbers += range(first, min(hi, first + limit - 1) + 1)
        return sorted(numbers)[:limit]
