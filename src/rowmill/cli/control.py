"""``rowmill pause``, ``resume``, ``cancel``, ``retry`` and ``dismiss``."""

import click

from rowmill.cli.common import job_argument, json_option, one_job, print_job, print_left
from rowmill.cli.foreground import allowance, finished, work
from rowmill.cli.words import rows_word, state
from rowmill.core.job import Job
from rowmill.core.ranges import parse_ranges
from rowmill.core.status import JobStatus
from rowmill.jobs import control
from rowmill.jobs.deliver import undelivered
from rowmill.jobs.submit.detach import check_detachable
from rowmill.ledger.store import Store

_max_failed = click.option(
    "--max-failed",
    metavar="1%|N",
    default="0",
    show_default=True,
    help="Exit with 0 if no more rows than this fail (a number or a percentage).",
)
_detach = click.option("--detach", is_flag=True, help="Leave the job to a worker (rowmill serve).")


@click.command()
@job_argument
@json_option
def pause(job_name: str, *, as_json: bool) -> None:
    """Pause JOB: no new row starts, rows in flight are finished and saved."""
    with one_job(job_name) as (store, job):
        now = control.pause(store, job)
        print_job(store, now, _now(now), as_json=as_json)


@click.command()
@job_argument
@json_option
def cancel(job_name: str, *, as_json: bool) -> None:
    """Stop JOB for good: calls in flight are aborted, finished rows are kept."""
    with one_job(job_name) as (store, job):
        now = control.cancel(store, job)
        print_job(store, now, _now(now), as_json=as_json)


@click.command()
@job_argument
@click.option("--take-over", is_flag=True, help="Take the job from a process that is alive but does not answer.")
@_max_failed
@_detach
@json_option
def resume(job_name: str, *, take_over: bool, max_failed: str, detach: bool, as_json: bool) -> int:
    """Resume JOB in this process: the remaining rows of a paused, failed or interrupted job.

    A job that is still obeying a pause just goes on where it runs. A completed one writes its output file again if
    that is missing.
    """
    allowance(max_failed, 0)
    with one_job(job_name) as (store, job):
        if job.status is JobStatus.COMPLETED and undelivered(store, job):
            return finished(store, job, max_failed, as_json=as_json)
        was_stopping = job.stopping and not job.interrupted
        if detach:
            _check_detachable(job)
        now = control.resume(store, job, take_over=take_over, detached=detach)
        if was_stopping and now.status is JobStatus.RUNNING and not now.interrupted:
            print_job(store, now, f"{job.id} goes on.", as_json=as_json)
            return 0
        return _work(store, now, max_failed, detach=detach, as_json=as_json)


@click.command()
@job_argument
@click.option("--failed-only", is_flag=True, help="Run only failed rows, not those that were never tried.")
@click.option("--rows", "rows_", metavar="1-100", help="Only failed rows in these ranges.")
@click.option(
    "--code", "codes", metavar="CODE", multiple=True, help="Only rows that failed with this code. Repeatable."
)
@_max_failed
@_detach
@json_option
def retry(
    job_name: str,
    *,
    failed_only: bool,
    rows_: str | None,
    codes: tuple[str, ...],
    max_failed: str,
    detach: bool,
    as_json: bool,
) -> int:
    """Run JOB's failed rows again in this process; for a paused or failed job, also run the remaining rows."""
    allowance(max_failed, 0)
    with one_job(job_name) as (store, job):
        ranges = parse_ranges(rows_, job.counts.total or 0) if rows_ else []
        if detach:
            _check_detachable(job)
        count = control.retry(store, job, failed_only=failed_only, codes=codes, ranges=ranges, detached=detach)
        click.echo(f"{job.id}: trying {rows_word(count)} again that failed.", err=True)
        return _work(store, store.browse.job(job.pk), max_failed, detach=detach, as_json=as_json)


@click.command()
@job_argument
@json_option
def dismiss(job_name: str, *, as_json: bool) -> None:
    """Mark the failed rows of a completed JOB as needing no attention."""
    with one_job(job_name) as (store, job):
        print_job(store, control.dismiss(store, job), f"{job.id} needs no attention any more.", as_json=as_json)


def _check_detachable(job: Job) -> None:
    for step in job.steps:
        check_detachable(step)


def _work(store: Store, job: Job, max_failed: str, *, detach: bool, as_json: bool) -> int:
    if detach:
        print_left(store, job, as_json=as_json)
        return 0
    engine = store.join()
    try:
        return work(store, engine, job, max_failed=max_failed, as_json=as_json)
    finally:
        store.leave(engine)


def _now(job: Job) -> str:
    if job.stopping:
        return f"{job.id} is stopping: {rows_word(job.running)} in flight."
    return f"{job.id} is {state(job)}."
