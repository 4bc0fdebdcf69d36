"""``rowmill watch``: follows a job that another process works."""

import time

import click

from rowmill.cli.common import job_argument, json_option, on_terminal, one_job, print_json
from rowmill.cli.display import FRAME, Display
from rowmill.cli.foreground import exit_code
from rowmill.cli.remedies import REMEDIES
from rowmill.cli.words import stop_lines
from rowmill.core.job import Job
from rowmill.core.status import JobStatus
from rowmill.jobs.view import job_view
from rowmill.ledger.store import Store


@click.command()
@job_argument
@json_option
def watch(job_name: str, *, as_json: bool) -> int:
    """Follow JOB until it stops; the exit code says how it ended. Ctrl-C stops watching, not the job."""
    with one_job(job_name) as (store, job):
        ended = _follow(store, job)
        if as_json:
            print_json(job_view(ended, store.clock(), REMEDIES, store.browse.executions(job.pk)))
        else:
            for line in stop_lines(ended):
                click.echo(line, err=True)
        return exit_code(ended)


def _follow(store: Store, job: Job) -> Job:
    with Display(terminal=on_terminal()) as display:
        while job.status in (JobStatus.PENDING, JobStatus.RUNNING) and not job.interrupted:
            display.show(job, store.clock())
            time.sleep(FRAME)
            job = store.browse.job(job.pk)
    return job
