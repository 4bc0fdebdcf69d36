"""What several commands share: the store, the JSON switch, finding a job."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from rowmill.cli.remedies import REMEDIES
from rowmill.core.job import Job
from rowmill.jobs.view import job_view
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from rowmill.shapes.base import to_json

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
job_argument = click.argument("job_name", metavar="JOB")


@contextmanager
def the_store() -> Iterator[Store]:
    store = open_store()
    try:
        yield store
    finally:
        store.close()


@contextmanager
def one_job(name: str) -> Iterator[tuple[Store, Job]]:
    with the_store() as store:
        yield store, store.browse.find_job(name)


def print_json(value: Any) -> None:
    click.echo(to_json(value, indent=True).decode())


def print_job(store: Store, job: Job, sentence: str, *, as_json: bool) -> None:
    """The job as JSON, or ``sentence``."""
    if as_json:
        print_json(job_view(job, store.clock(), REMEDIES, store.browse.executions(job.pk)))
    else:
        click.echo(sentence)


def print_left(store: Store, job: Job, *, as_json: bool) -> None:
    """The job, and who may take it up."""
    waits = f"{job.id} waits for a worker: rowmill serve, or here: rowmill resume {job.id}"
    print_job(store, job, waits, as_json=as_json)


def on_terminal() -> bool:
    return sys.stderr.isatty()
