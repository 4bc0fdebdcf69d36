"""What happens to a job when the engine that had it is dead.

The slots that it occupied are exactly the calls that may have been made and were not saved. They are counted as
``uncertain`` and their rows go back, remembering how many crashes they have seen.
"""

import logging
from dataclasses import dataclass

from rowmill.core.job import Attempt
from rowmill.core.retry import LAST_CRASH
from rowmill.core.status import Action, JobStatus, target
from rowmill.db.database import Database, Presence, Transaction
from rowmill.ledger.events import note_status
from rowmill.ledger.files import drop_downloads
from rowmill.ledger.mapping import INSERT_OUTCOME, attempt_row
from rowmill.ledger.publish import publish

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the end of a claim left: the id of its ``job``, which requested action was ``obeyed``, how many calls are
    ``uncertain``, and the numbers of rows that have ``failed`` since it was not the first crash that they saw."""

    job: str
    obeyed: Action | None
    uncertain: int
    failed: list[int]


def recover(database: Database, presence: Presence, job: int, now: float) -> Action | None:
    """Frees ``job`` of every dead engine's claim; an action requested meanwhile takes effect, and is returned.

    In a transaction of its own: it stands also where what is then said to the job is refused.
    """
    with database.transaction() as tx:
        tx.lock("jobs", job)
        claims = tx.execute("SELECT generation, engine FROM claims WHERE job = ?", (job,))
        found = [recover_claim(tx, job, generation, now) for generation, engine in claims if not presence.alive(engine)]
    for recovered in found:
        _log_recovery(recovered)
    return found[-1].obeyed if found else None


def _log_recovery(recovered: Recovered) -> None:
    about = {"job": recovered.job}
    _log.warning("a process died while it worked the job", extra={**about, "uncertain": recovered.uncertain})
    for number in recovered.failed:
        _log.warning("row failed", extra={**about, "row": number, "code": "crashed_process"})


def recover_claim(tx: Transaction, job: int, generation: int, now: float) -> Recovered:
    """Takes the job from the claim of ``generation``, whether its engine is dead or only presumed so."""
    failed = _fail_repeat_offenders(tx, job, generation, now)
    tx.execute(
        """INSERT INTO deferred (job, number, due_at, generation, step, attempts, crashes, carried)
           SELECT job, number, 0, generation, step, attempts, crashes + 1, carried FROM slots
           WHERE job = ? AND generation = ?""",
        (job, generation),
    )
    lost = tx.change("DELETE FROM slots WHERE job = ? AND generation = ?", (job, generation))
    _end_crashed(tx, job, generation, lost, now)
    [(id_,)] = tx.execute("SELECT id FROM jobs WHERE pk = ?", (job,))
    obeyed = _carry_out_request(tx, job, now)
    tx.execute(
        """DELETE FROM engines WHERE id NOT IN (SELECT engine FROM claims)
           AND id IN (SELECT engine FROM executions WHERE job = ? AND ended_as = 'crashed')""",
        (job,),
    )
    return Recovered(id_, obeyed, lost + len(failed), failed)


def _fail_repeat_offenders(tx: Transaction, job: int, generation: int, now: float) -> list[int]:
    """Returns the numbers of the rows that it fails."""
    seq = tx.execute("UPDATE jobs SET seq = seq + 1 WHERE pk = ? RETURNING seq", (job,))[0][0]
    lines = tx.execute(
        """DELETE FROM slots WHERE job = ? AND generation = ? AND crashes + 1 >= ?
           RETURNING number, carried, step, attempts""",
        (job, generation, LAST_CRASH),
    )
    message = f"The process ended {LAST_CRASH} times while it worked this row; retry it if that had other reasons."
    for number, carried, step, attempts in lines:
        crashed = Attempt(step, attempts + 1, now, 0.0, "failed", "crashed_process", message)
        tx.execute(INSERT_OUTCOME, (job, number, seq, "failed", carried, *attempt_row(crashed)))
    failed = [number for number, *_ in lines]
    if failed:
        more = len(failed)
        tx.execute("UPDATE jobs SET failed = failed + ?, uncertain = uncertain + ? WHERE pk = ?", (more, more, job))
        tx.execute("UPDATE executions SET uncertain = uncertain + ? WHERE job = ? AND finished_at IS NULL", (more, job))
    return failed


def _end_crashed(tx: Transaction, job: int, generation: int, lost: int, now: float) -> None:
    tx.execute("UPDATE jobs SET uncertain = uncertain + ? WHERE pk = ?", (lost, job))
    tx.execute("UPDATE executions SET uncertain = uncertain + ? WHERE job = ? AND finished_at IS NULL", (lost, job))
    end_claim(tx, job, generation, "crashed", now)


def end_claim(tx: Transaction, job: int, generation: int, ended_as: str, now: float) -> None:
    """Ends the execution of a claim: it holds nothing afterwards."""
    tx.execute(
        """UPDATE executions SET finished_at = ?, ended_as = ?,
                  processed = (SELECT succeeded + failed + skipped FROM jobs WHERE pk = job) - began_with
           WHERE job = ? AND finished_at IS NULL""",
        (now, ended_as, job),
    )
    tx.execute("UPDATE chunks SET generation = NULL WHERE job = ? AND generation = ?", (job, generation))
    tx.execute("DELETE FROM claims WHERE job = ? AND generation = ?", (job, generation))


def _carry_out_request(tx: Transaction, job: int, now: float) -> Action | None:
    """Carries out a standing pause or cancel of a job that no engine holds; returns which it was."""
    for verb in (Action.PAUSE, Action.CANCEL):
        obeyed = tx.change(
            """UPDATE jobs SET status = ?,
                      pause_reason = CASE WHEN requested_action = 'pause' THEN requested_reason END,
                      requested_action = NULL, requested_reason = NULL,
                      finished_at = CASE WHEN requested_action = 'cancel' THEN ? END
               WHERE pk = ? AND status = 'running' AND requested_action = ?""",
            (target(JobStatus.RUNNING, verb), now, job, verb.value),
        )
        if obeyed:
            if verb is Action.CANCEL:
                publish(tx, job)
                drop_downloads(tx, "pk", job)
            note_status(tx, job, now)
            return verb
    return None
