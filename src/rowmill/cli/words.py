"""Jobs in words, for people."""

from rowmill.cli.remedies import REMEDIES
from rowmill.core.job import Job
from rowmill.core.money import dollars
from rowmill.core.progress import eta
from rowmill.core.status import JobStatus, JobType, PauseReason
from rowmill.jobs.view import pace_of


def rows_word(count: int) -> str:
    """``1 row``, ``2 rows``."""
    return f"{count:,} row{'' if count == 1 else 's'}"


def duration(seconds: float | None) -> str:
    """``1:05`` or ``2:03:04``; ``–`` where it is not known."""
    if seconds is None:
        return "–"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def state(job: Job) -> str:
    """The status with what must be known beside it."""
    if job.interrupted:
        return "running (interrupted)"
    if job.stopping:
        return f"{job.status} (stopping)"
    if job.status is JobStatus.PAUSED and job.pause_reason is not PauseReason.USER:
        return f"paused ({job.pause_reason})"
    return str(job.status)


def progress_line(job: Job, now: float) -> str:
    """Where the job is: ``120 of 1,000 rows (12 %), 3 failed, 45.0 rows/s, 0:20 left``."""
    counts = job.counts
    if counts.total is None:
        parts = [f"{rows_word(counts.processed)} so far"]
    else:
        parts = [f"{counts.processed:,} of {counts.total:,} rows ({counts.progress:.0f} %)"]
    if counts.failed:
        parts.append(f"{counts.failed:,} failed")
    pace = pace_of(job, now)
    if pace is not None:
        parts += [f"{pace:,.1f} rows/s"]
        parts += [f"{duration(eta(counts.unprocessed, pace))} left"] if counts.total is not None else []
    return ", ".join(parts + spending(job))


def spending(job: Job) -> list[str]:
    """Tokens and money, where there were any."""
    parts = []
    if job.tokens_in or job.tokens_out:
        parts.append(f"{job.tokens_in:,} tokens in, {job.tokens_out:,} out")
    if job.priced and (job.cost or job.settings.budget is not None):
        parts.append(money(job))
    return parts


def stop_lines(job: Job) -> list[str]:
    """What is to be said when a job has come to a stop, or was found stopped."""
    match job.status:
        case JobStatus.COMPLETED:
            return _completed(job)
        case JobStatus.PAUSED:
            why = _paused_because(job)
            return [f"{job.id} is paused{': ' + why if why else ''}.", f"Go on with: rowmill resume {job.id}"]
        case JobStatus.FAILED:
            error = job.error
            says = f"{error.code}: {error.message} {error.advice(REMEDIES)}".strip() if error else "unknown"
            lines = [f"{job.id} has failed: {says}", f"Then go on with: rowmill resume {job.id}"]
            if job.type is JobType.IMPORT:
                lines.append(f"To import a mended file instead, first: rowmill cancel {job.id}")
            return lines
        case JobStatus.CANCELLED:
            rest = f"Do the rest with: rowmill run --from {job.id} --only unprocessed"
            left = job.type is JobType.ENRICHMENT and job.counts.unprocessed
            return [f"{job.id} is cancelled; what was done is kept.", *([rest] if left else [])]
    if job.interrupted:
        return [f"{job.id} was interrupted.", f"Go on with: rowmill resume {job.id}"]
    return [f"{job.id} is {state(job)}."]


def _paused_because(job: Job) -> str:
    if job.pause_reason is PauseReason.BUDGET:
        return f"{money(job)} is spent, and one more row may go over; raise it by the same run with --budget"
    if job.error is None:
        return ""
    said = f"{job.error.message.rstrip('.')}. {job.error.advice(REMEDIES).rstrip('.')}"
    if job.pause_reason is PauseReason.FAILURE_SPIKE:
        return f"the last rows all failed with {job.error.code}: {said}"
    return said[0].lower() + said[1:]


def money(job: Job) -> str:
    """What the job has cost, and of how much: ``$0.12 of $5.00``."""
    spent = f"${dollars(job.cost):,.4f}"
    return spent if job.settings.budget is None else f"{spent} of ${dollars(job.settings.budget):,.4f}"


def outcome_line(job: Job) -> str:
    """What an import did: ``10 created, 2 updated, 88 unchanged, 1 superseded, 3 failed``."""
    changes, counts = job.changes, job.counts
    superseded = counts.skipped - changes.unchanged
    parts = {"created": changes.created, "updated": changes.updated, "unchanged": changes.unchanged}
    parts |= {"superseded": superseded, "failed": counts.failed}
    return ", ".join(f"{count:,} {name}" for name, count in parts.items() if count) or "none"


def _imported(job: Job) -> list[str]:
    changes = job.changes
    nothing = "" if changes.created or changes.updated else " Nothing has changed."
    lines = [f"{job.id} is completed: of {rows_word(job.counts.total or 0)} {outcome_line(job)}.{nothing}"]
    if job.counts.failed:
        lines.append(
            f"Write those that failed to a file, mend and import it: rowmill export {job.id} --only failed -o FILE"
        )
    return lines


def _completed(job: Job) -> list[str]:
    counts = job.counts
    if job.type is JobType.IMPORT:
        return _imported(job)
    if job.type is JobType.EXPORT:
        where = f": {job.output.path}" if job.output and job.output.path != "-" else ""
        return [f"{job.id} is completed, {rows_word(counts.succeeded)} written{where}"]
    done = f"{job.id} is completed: {counts.succeeded:,} of {counts.total:,} rows succeeded"
    lines = [", ".join([done, *spending(job)]) + "."]
    if counts.failed:
        lines.append(f"{counts.failed:,} failed. See them: rowmill rows {job.id} --status failed")
        lines.append(f"Run them again: rowmill retry {job.id}")
    if job.error:
        lines.append(f"Its output is missing: {job.error.message} {job.error.advice(REMEDIES)}".strip())
    return lines
