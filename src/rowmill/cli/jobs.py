"""``rowmill jobs`` and ``datasets``: what there is."""

import click

from rowmill.cli.common import json_option, print_json, the_store
from rowmill.cli.remedies import REMEDIES
from rowmill.cli.tables import print_table
from rowmill.cli.words import state
from rowmill.core.job import Job
from rowmill.core.status import JobStatus, JobType
from rowmill.core.timestamps import moment
from rowmill.jobs.view import dataset_view, job_view


@click.command()
@click.option("--status", type=click.Choice([s.value for s in JobStatus]), help="Only jobs with this status.")
@click.option("--type", "type_", type=click.Choice([t.value for t in JobType]), help="Only jobs of this type.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Maximum number shown.")
@json_option
def jobs(status: str | None, type_: str | None, limit: int, *, as_json: bool) -> None:
    """List jobs, newest first."""
    with the_store() as store:
        found = store.browse.jobs(JobStatus(status) if status else None, JobType(type_) if type_ else None, limit=limit)
        now = store.clock()
        if as_json:
            print_json([job_view(job, now, REMEDIES) for job in found])
        elif not found:
            click.echo("There are no jobs. Make one with `rowmill run` or `rowmill demo`.", err=True)
        else:
            _print_jobs(found)


@click.command()
@click.option("--after", metavar="NAME", default="", help="Start after this name.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Maximum number shown.")
@json_option
def datasets(after: str, limit: int, *, as_json: bool) -> None:
    """List datasets by name. Tables that belong to a single run are not listed."""
    with the_store() as store:
        found = store.datasets.page(after, limit)
        if as_json:
            print_json([dataset_view(dataset) for dataset in found])
        elif not found:
            click.echo("There are no datasets. Make one with `rowmill import FILE`.", err=True)
        else:
            lines = []
            for each in found:
                counts = (f"{each.rows:,}", str(len(each.columns)))
                lines.append([each.name, each.id, *counts, each.schema.key or "", moment(each.created_at)])
            print_table(["name", "id", "rows", "columns", "key", "created"], lines)


def _print_jobs(found: list[Job]) -> None:
    lines = []
    for job in found:
        counts = job.counts
        total = "?" if counts.total is None else f"{counts.total:,}"
        attention = f"{counts.failed:,}" + ("!" if job.needs_attention else "")
        progress = f"{counts.processed:,}/{total}"
        lines.append([job.id, job.type, job.name, state(job), progress, attention, moment(job.created_at)])
    print_table(["id", "type", "name", "status", "progress", "failed", "created"], lines, text=[2])
