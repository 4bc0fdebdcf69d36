"""The engine's verbs: claim a job, commit what was done, finish it.

Every verb of a working engine begins with one guarded statement that fails when the engine no longer holds the job:
a process that was presumed dead cannot overwrite its successor.
"""

from collections.abc import Collection, Iterable

from rowmill.core.commit import Batch, Chunk, Claim, ControlState, Due, Settled, Task
from rowmill.core.errors import Busy, ClaimLost
from rowmill.core.job import JobError
from rowmill.core.messages import Message
from rowmill.core.status import Action, PauseReason, RowStatus, sources, target
from rowmill.core.usage import UsageLimits, Used
from rowmill.db.database import Database, DbRow, Maintenance, Presence, Transaction
from rowmill.db.values import dump, dump_or_none, placeholders
from rowmill.ledger.events import note, note_status
from rowmill.ledger.files import drop_downloads
from rowmill.ledger.mapping import ATTEMPT_COLUMNS, INSERT_OUTCOME, attempt_row, models_of, refuse, settings_of, task_of
from rowmill.ledger.publish import publish
from rowmill.ledger.recovery import end_claim, recover
from rowmill.ledger.usage import LIMITS, note_usage, used_by

HELD = "status = 'running' AND EXISTS (SELECT 1 FROM claims WHERE job = pk AND generation = ? AND engine = ?)"
"""Whether the claim (generation, engine) still holds the job: part of every statement that guards a commit."""

_ACCOUNT = f"""
UPDATE jobs SET seq = seq + 1, succeeded = succeeded + ?, failed = failed + ?, tokens_in = tokens_in + ?,
       tokens_out = tokens_out + ?, cost = cost + ?, uncertain = uncertain + ?
WHERE pk = ? AND {HELD} RETURNING seq, id, requested_action, settings, {LIMITS}
"""  # noqa: S608 - constants only

_ATTEMPT = f"""
INSERT INTO attempts (job, number, seq, outcome, {ATTEMPT_COLUMNS})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # noqa: S608 - constants only
_OCCUPY = """
INSERT INTO slots (job, generation, slot, number, step, attempts, crashes, carried) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (job, generation, slot) DO UPDATE SET number = excluded.number, step = excluded.step,
   attempts = excluded.attempts, crashes = excluded.crashes, carried = excluded.carried
"""
_RESULT = """
INSERT INTO results (dataset, record, result_version, job, number, seq, input_hash) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_DEAREST = """
SELECT step, max(cost) FROM (SELECT step, cost FROM outcomes WHERE job = ?
                             UNION ALL SELECT step, cost FROM attempts WHERE job = ?) AS tried
GROUP BY step HAVING max(cost) > 0 ORDER BY step
"""
_FREE = "DELETE FROM slots WHERE job = ? AND generation = ? AND slot = ?"
_DEFER = """
INSERT INTO deferred (job, number, due_at, generation, step, attempts, crashes, carried)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_FINISH_GUARDS = {
    # A request that arrived meanwhile and outranks the action is kept.
    Action.COMPLETE: " AND succeeded + failed + skipped = total",
    Action.PAUSE: " AND coalesce(requested_action, 'pause') = 'pause'",
    Action.FAIL: " AND coalesce(requested_action, 'pause') = 'pause'",
    Action.RELEASE: " AND requested_action IS NULL",
}
_REOPEN = """
INSERT INTO deferred (job, number, due_at, generation, step, attempts, crashes, carried)
SELECT job, number, 0, ?, step, 0, 0, output FROM outcomes WHERE job = ? AND number = ? AND superseded IS NULL
"""
_UNDEFER = "DELETE FROM deferred WHERE job = ? AND number = ?"
_ADVANCE = "UPDATE chunks SET lo = ? WHERE job = ? AND hi = ?"
_EXHAUST = "DELETE FROM chunks WHERE job = ? AND hi = ?"


class Ledger:
    def __init__(self, database: Database, presence: Presence, maintenance: Maintenance) -> None:
        self._database = database
        self._presence = presence
        self._maintenance = maintenance

    def claim(
        self, job: int, engine: str, now: float, *, as_worker: bool = False, writes_output: bool = False
    ) -> Claim:
        """Gives ``engine`` the job if it waits for one, or if the engine that had it is dead. With ``as_worker`` it is
        any worker's when this engine stops, and with ``writes_output`` so is writing its output file once it completes.

        Raises ``Busy`` where a living engine has it and ``IllegalTransition`` where its status does not allow it.
        """
        legal = sources(Action.CLAIM)
        recover(self._database, self._presence, job, now)
        with self._database.transaction() as tx:
            tx.lock("jobs", job)  # the guard below looks at claims, too
            claimed = tx.execute(
                f"""UPDATE jobs SET status = 'running', generation = generation + 1, pause_reason = NULL, error = NULL,
                           started_at = coalesce(started_at, ?), finished_at = NULL, dismissed = 0,
                           detached = ?, output_owner = ?
                    WHERE pk = ? AND status IN ({placeholders(len(legal))})
                      AND NOT EXISTS (SELECT 1 FROM claims WHERE job = pk)
                    RETURNING generation, succeeded + failed + skipped, seq, spec, cost""",  # noqa: S608 - placeholders only
                (now, int(as_worker), engine if writes_output else None, job, *legal),
            )
            if not claimed:
                raise self._taken(tx, job)
            generation, processed, seq, spec, cost = claimed[0]
            number = tx.execute(
                """INSERT INTO executions (job, number, engine, started_at, began_with, mark_at, mark_processed,
                                           rate_sample_at, rate_sample_processed, uncertain, began_seq)
                   SELECT ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?, ?, ?, ?, 0, ? FROM executions WHERE job = ?
                   RETURNING number""",
                (job, engine, now, processed, now, processed, now, processed, seq, job),
            )[0][0]
            tx.execute("INSERT INTO claims (job, generation, engine) VALUES (?, ?, ?)", (job, generation, engine))
            # Not `note_status`: an interrupted job was running before, and yet this is news.
            note(tx, "job.running", job, now)
        max_cost = tuple(self._database.read(_DEAREST, (job, job))) if cost else ()
        return Claim(job, engine, generation, number, models_of(spec), max_cost)

    def take_chunk(self, claim: Claim, size: int | None = None) -> Chunk | None:
        """Hands the next untouched rows to ``claim``: ``size`` of them, or the whole of one range."""
        with self._database.transaction() as tx:
            self._verify(tx, claim)
            free = "SELECT lo, hi FROM chunks WHERE job = ? AND generation IS NULL ORDER BY hi LIMIT 1"
            found = tx.execute(free, (claim.job,))
            if not found or self._touched_only(tx, claim.job):
                return None
            lo, end = found[0]
            hi = end if size is None else min(end, lo + size - 1)
            if hi < end:
                tx.execute("UPDATE chunks SET lo = ? WHERE job = ? AND hi = ?", (hi + 1, claim.job, end))
            tx.execute(
                """INSERT INTO chunks (job, hi, lo, generation) VALUES (?, ?, ?, ?)
                   ON CONFLICT (job, hi) DO UPDATE SET generation = excluded.generation""",
                (claim.job, hi, lo, claim.generation),
            )
        return Chunk(lo, hi)

    def backlog(self, claim: Claim, after: tuple[float, int], limit: int) -> list[Due]:
        """Rows that earlier claims put off, in the order in which they are due, after (due, number) ``after``."""
        lines = self._database.read(
            """SELECT due_at, number, step, attempts, crashes, carried FROM deferred
               WHERE job = ? AND generation < ? AND (due_at, number) > (?, ?) ORDER BY due_at, number LIMIT ?""",
            (claim.job, claim.generation, *after, limit),
        )
        return [Due(at, task_of(*rest)) for at, *rest in lines]

    def commit(self, claim: Claim, batch: Batch) -> ControlState:
        """Writes all of ``batch`` with the counts it changes, or nothing. Raises ``ClaimLost`` and ``StoreError``."""
        # Before, not after: where it fails, nothing has been written.
        self._maintenance.maintain()
        used = used_by(batch)
        with self._database.transaction() as tx:
            seq, job_id, *poll_control = self._account(tx, claim, batch, used.values())
            note_usage(tx, claim, job_id, used)
            self._write_outcomes(tx, claim, seq, batch)
            self._write_slots(tx, claim, batch)
            if batch.reopened:
                reopen(tx, claim.job, seq, claim.generation, batch.reopened)
        return _control_state(*poll_control)

    def poll_control(self, claim: Claim) -> ControlState:
        """What is requested of the job now. Raises ``ClaimLost``."""
        lines = self._database.read(
            f"SELECT requested_action, settings, {LIMITS} FROM jobs WHERE pk = ? AND {HELD}",  # noqa: S608 - constants only
            (claim.job, claim.generation, claim.engine),
        )
        if not lines:
            raise claim_lost()
        return _control_state(*lines[0])

    def mark(self, claim: Claim, now: float) -> None:
        """Notes how far the job is, for its recent rate."""
        with self._database.transaction() as tx:
            tx.execute(
                """UPDATE executions SET rate_sample_at = mark_at, rate_sample_processed = mark_processed, mark_at = ?,
                          mark_processed = (SELECT succeeded + failed + skipped FROM jobs WHERE pk = job)
                   WHERE job = ? AND number = ?""",
                (now, claim.job, claim.execution),
            )

    def finish(
        self,
        claim: Claim,
        verb: Action,
        now: float,
        *,
        reason: PauseReason | None = None,
        error: JobError | None = None,
        tolerate: str | None = None,
    ) -> bool:
        """Ends the execution and moves the job by ``verb`` (complete, fail, pause, cancel or release).

        A pause takes the reason that was requested, or ``reason``. Returns ``False``, and changes nothing, when a pause
        or cancel that the engine obeys was taken back meanwhile. Raises ``ClaimLost``.
        """
        guard = _FINISH_GUARDS.get(verb, "")
        if verb in (Action.PAUSE, Action.CANCEL) and reason is None:
            guard = " AND requested_action = ?"
        requested = (verb.value,) if "?" in guard else ()
        status = target(sources(verb)[-1], verb)
        with self._database.transaction() as tx:
            self._verify(tx, claim)
            moved = tx.change(
                f"""UPDATE jobs SET status = ?,
                           pause_reason = coalesce(?, CASE WHEN ? = 'paused' THEN requested_reason END),
                           requested_action = NULL, requested_reason = NULL, error = ?,
                           touched_only = CASE WHEN ? = 'pending' THEN touched_only ELSE 0 END,
                           tolerated = coalesce(?, tolerated), finished_at = CASE WHEN ? THEN NULL ELSE ? END
                    WHERE pk = ? AND {HELD}{guard}""",  # noqa: S608 - constants only
                (
                    status,
                    reason,
                    status,
                    dump_or_none(error),
                    status,
                    tolerate,
                    verb in (Action.PAUSE, Action.RELEASE),
                    now,
                    claim.job,
                    claim.generation,
                    claim.engine,
                    *requested,
                ),
            )
            if moved:
                if verb in (Action.COMPLETE, Action.CANCEL):
                    publish(tx, claim.job)
                if verb is Action.CANCEL:
                    drop_downloads(tx, "pk", claim.job)
                end_claim(tx, claim.job, claim.generation, str(status), now)
                note_status(tx, claim.job, now)
        return bool(moved)

    def _verify(self, tx: Transaction, claim: Claim) -> None:
        tx.lock("jobs", claim.job)
        sql = f"SELECT 1 FROM jobs WHERE pk = ? AND {HELD}"  # noqa: S608 - constants only
        if not tx.execute(sql, (claim.job, claim.generation, claim.engine)):
            raise claim_lost()

    def _account(self, tx: Transaction, claim: Claim, batch: Batch, used: Collection[Used]) -> DbRow:
        """Changes the counts by what ``batch`` adds: the statement that also guards the whole commit."""
        tx.lock("jobs", claim.job)
        succeeded = sum(s.status is RowStatus.SUCCEEDED for s in batch.settled)
        failed = len(batch.settled) - succeeded - len(batch.reopened)
        lines = tx.execute(
            _ACCOUNT,
            (
                succeeded,
                failed,
                sum(each.tokens_in for each in used),
                sum(each.tokens_out for each in used),
                sum(each.cost for each in used),
                batch.uncertain,
                claim.job,
                claim.generation,
                claim.engine,
            ),
        )
        if not lines:
            raise claim_lost()
        if batch.uncertain:
            tx.execute(
                "UPDATE executions SET uncertain = uncertain + ? WHERE job = ? AND number = ?",
                (batch.uncertain, claim.job, claim.execution),
            )
        return lines[0]

    def _write_outcomes(self, tx: Transaction, claim: Claim, seq: int, batch: Batch) -> None:
        job = claim.job
        if batch.settled:
            tx.executemany(INSERT_OUTCOME, (_outcome_line(job, seq, settled) for settled in batch.settled))
            _write_results(tx, job, seq, [s for s in batch.settled if s.record and s.status is RowStatus.SUCCEEDED])
        if batch.postponed:
            tx.executemany(
                _ATTEMPT,
                (
                    (job, p.due.task.number, seq, p.attempt.outcome, *attempt_row(p.attempt))
                    for p in batch.postponed
                    if p.attempt
                ),
            )
            tx.executemany(
                _DEFER,
                (
                    (job, p.due.task.number, p.due.at, claim.generation, *_task_line(p.due.task))
                    for p in batch.postponed
                ),
            )

    def _write_slots(self, tx: Transaction, claim: Claim, batch: Batch) -> None:
        job, generation = claim.job, claim.generation
        if batch.freed:
            tx.executemany(_FREE, ((job, generation, slot) for slot in batch.freed))
        if batch.starts:
            tx.executemany(
                _OCCUPY,
                ((job, generation, s.slot, s.task.number, *_task_line(s.task)) for s in batch.starts),
            )
            tx.executemany(_UNDEFER, ((job, s.task.number) for s in batch.starts if s.task.deferred))
        for chunk in batch.chunks:
            if chunk.lo > chunk.hi:
                tx.execute(_EXHAUST, (job, chunk.hi))
            else:
                tx.execute(_ADVANCE, (chunk.lo, job, chunk.hi))

    @staticmethod
    def _touched_only(tx: Transaction, job: int) -> bool:
        return bool(tx.execute("SELECT touched_only FROM jobs WHERE pk = ?", (job,))[0][0])

    @staticmethod
    def _taken(tx: Transaction, job: int) -> Exception:
        """The error that says why a claim changed nothing."""
        owner = tx.execute(
            "SELECT pid FROM engines JOIN claims ON claims.engine = engines.id WHERE claims.job = ?", (job,)
        )
        if owner:
            return Busy(Message.JOB_BUSY, pid=owner[0][0])
        return refuse(tx, job, Action.CLAIM)


def reopen(tx: Transaction, job: int, seq: int, generation: int, numbers: Iterable[int]) -> None:
    """Takes failed rows back to pending as of ``seq``, at the step that failed; the outcomes they had stay readable
    below it."""
    numbers = list(numbers)
    tx.executemany(_REOPEN, ((generation, job, number) for number in numbers))
    tx.executemany(
        "UPDATE outcomes SET superseded = ? WHERE job = ? AND number = ? AND superseded IS NULL",
        ((seq, job, number) for number in numbers),
    )


def _outcome_line(job: int, seq: int, settled: Settled) -> tuple[object, ...]:
    output = None if settled.output is None else dump(settled.output)
    return (job, settled.number, seq, settled.status.value, output, *attempt_row(settled.attempt))


def _write_results(tx: Transaction, job: int, seq: int, settled: list[Settled]) -> None:
    """Makes outcomes columns of their dataset, under its next result version."""
    if not settled:
        return
    dataset, result_version = tx.execute(
        """UPDATE datasets SET result_version = result_version + 1
           WHERE pk = (SELECT dataset FROM jobs WHERE pk = ?) RETURNING pk, result_version""",
        (job,),
    )[0]
    tx.executemany(_RESULT, ((dataset, s.record, result_version, job, s.number, seq, s.input_hash) for s in settled))


def _control_state(requested_action: str | None, settings: str, rows: int | None, cost: int | None) -> ControlState:
    return ControlState(
        Action(requested_action) if requested_action else None, settings_of(settings), UsageLimits(rows, cost)
    )


def _task_line(task: Task) -> tuple[object, ...]:
    return (task.step, task.attempts, task.crashes, dump_or_none(task.carried))


def claim_lost() -> ClaimLost:
    """The error of an engine that has lost its claim."""
    return ClaimLost(Message.CLAIM_LOST)
