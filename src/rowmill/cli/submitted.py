"""What ``run``, ``import`` and ``export`` do with a job once it is made, or found to be there already."""

import click

from rowmill.cli.common import print_left
from rowmill.cli.foreground import finished, work
from rowmill.cli.words import rows_word, state
from rowmill.core.errors import Busy
from rowmill.core.job import Job
from rowmill.core.status import JobStatus, JobType
from rowmill.jobs import control
from rowmill.jobs.submit.submit import Submission
from rowmill.ledger.store import Store


def requeue(
    store: Store,
    engine: str,
    submission: Submission,
    max_failed: str = "0",
    *,
    detach: bool = False,
    as_json: bool = False,
    overwrite: bool = False,
) -> int:
    """Works the job here until it stops, or with ``detach`` leaves it; returns the exit code. Raises ``Busy`` where
    another process works it."""
    job = submission.job
    if submission.found:
        if job.status is JobStatus.RUNNING and not job.interrupted:
            assert job.owner is not None
            raise Busy(f"This run is being worked by process {job.owner.pid}.", f"Follow it: rowmill watch {job.id}")
        click.echo(_found(job), err=True)
        if job.status is JobStatus.COMPLETED:
            return finished(store, job, max_failed, as_json=as_json, overwrite=overwrite)
        job = control.resume(store, job, detached=detach)
    elif job.type is JobType.ENRICHMENT and not detach:
        rows = rows_word(job.counts.total or 0)
        click.echo(f"{job.id}: {rows}, up to {job.settings.concurrency} at a time.", err=True)
    if detach:
        print_left(store, job, as_json=as_json)
        return 0
    return work(store, engine, job, max_failed=max_failed, as_json=as_json, overwrite=overwrite)


def _found(job: Job) -> str:
    if job.status is JobStatus.COMPLETED and job.type is JobType.IMPORT:
        return f"{job.id} has brought in this same file before; nothing is added (--new imports it again)."
    if job.status is JobStatus.COMPLETED:
        return f"{job.id} is this same run and completed; its results are used again (--new starts afresh)."
    if job.counts.unprocessed is None:
        return f"{job.id} is this same import, {state(job)}; going on with it (--new starts afresh)."
    left = rows_word(job.counts.unprocessed)
    return f"{job.id} is this same run, {state(job)}; going on with the {left} left (--new starts afresh)."
