"""``rowmill jobs``, ``show`` and ``rows``: looking at what there is."""

from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from rowmill.cli.common import console, job_argument, json_option, one_job, print_json, the_store
from rowmill.cli.words import duration, progress_line, spending, state, stop_lines
from rowmill.model.errors import NotFound
from rowmill.model.job import Job, Row
from rowmill.model.status import JobStatus, JobType, RowStatus
from rowmill.model.template import written
from rowmill.service.browse import row as one_row
from rowmill.service.browse import rows_page
from rowmill.service.control import over
from rowmill.service.view import job_view, moment, row_view
from rowmill.store.store import Store

_CELL = 60
_MOST = (1 << 53) - 1


@click.command()
@click.option("--status", type=click.Choice([s.value for s in JobStatus]), help="Only jobs of this status.")
@click.option("--type", "type_", type=click.Choice([t.value for t in JobType]), help="Only jobs of this type.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many.")
@json_option
def jobs(status: str | None, type_: str | None, limit: int, *, as_json: bool) -> None:
    """List jobs, newest first."""
    with the_store() as store:
        found = store.browse.jobs(JobStatus(status) if status else None, JobType(type_) if type_ else None, limit=limit)
        now = store.clock()
        if as_json:
            print_json([job_view(job, now) for job in found])
        elif not found:
            click.echo("There are no jobs. Make one with `rowmill run` or `rowmill demo`.", err=True)
        else:
            _print_jobs(found)


@click.command()
@job_argument
@json_option
def show(job_name: str, *, as_json: bool) -> None:
    """Show one job: how far it is, what failed, its executions."""
    with one_job(job_name) as (store, job):
        if as_json:
            print_json(job_view(job, store.clock(), store.browse.executions(job.pk)))
        else:
            _print_job(store, job)


@click.command()
@job_argument
@click.argument("number", type=click.IntRange(1, _MOST), required=False)
@click.option("--status", type=click.Choice([s.value for s in RowStatus]), help="Only rows of this status.")
@click.option("--after", type=click.IntRange(0, _MOST), default=0, help="Begin after this row number.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many.")
@json_option
def rows(job_name: str, number: int | None, status: str | None, after: int, limit: int, *, as_json: bool) -> None:
    """Show a job's rows; with a row's NUMBER that row and all its attempts."""
    with one_job(job_name) as (store, job):
        columns, priced = store.datasets.get(job.dataset).columns, job.price is not None
        if number is not None:
            found = one_row(store, job, number)
            if found is None:
                raise NotFound(f"{job.id} has no row {number}.", f"Its rows are numbered 1 to {job.counts.total}.")
            print_json(row_view(found, columns, priced=priced)) if as_json else _print_row(found, columns)
            return
        page = rows_page(store, job, RowStatus(status) if status else None, after, limit)
        if as_json:
            print_json([row_view(row, columns, priced=priced) for row in page])
        else:
            _print_rows(page, columns, job)


def _print_jobs(found: list[Job]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "name", "status", "progress", "failed", "created"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    for job in found:
        counts = job.counts
        progress = f"{counts.processed:,}/{counts.total or 0:,}"
        attention = f"{counts.failed:,}" + ("!" if job.needs_attention else "")
        table.add_row(job.id, escape(job.name), state(job), progress, attention, moment(job.created_at))
    console().print(table)


def _print_job(store: Store, job: Job) -> None:
    click.echo(f"{job.id}  {job.name}  {state(job)}")
    click.echo(progress_line(job, store.clock()))
    if job.status is JobStatus.COMPLETED and spending(job):
        click.echo(f"Succeeded {job.counts.succeeded:,}, failed {job.counts.failed:,}.")
    for code, count in store.browse.failure_codes(job.pk).items():
        click.echo(f"  {count:,} failed with {code}")
    if job.uncertain:
        click.echo(f"{job.uncertain:,} calls were in flight when a process ended and may have been made twice.")
    for execution in store.browse.executions(job.pk):
        ended = "under way" if execution.finished_at is None else execution.ended_as
        took = duration((execution.finished_at or store.clock()) - execution.started_at)
        began = moment(execution.started_at)
        click.echo(f"Execution {execution.number}: {began}, {took}, {execution.processed:,} rows, {ended}")
    if job.status is JobStatus.COMPLETED and job.output and job.output.path != "-" and job.delivered is None:
        click.echo(f"Its output file has not been written; do it with: rowmill resume {job.id}")
    if over(job) or job.interrupted:
        for line in stop_lines(job):
            click.echo(line)


def _print_rows(page: list[Row], columns: list[str], job: Job) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("row", "status", *map(escape, columns[:3]), *map(escape, job.columns), "error"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True, max_width=_CELL)
    for row in page:
        output = row.output or {}
        cells = [*row.values[:3], *[None] * (min(3, len(columns)) - len(row.values[:3]))]
        cells += [output.get(column) for column in job.columns]
        error = f"{row.code}: {row.message}" if row.code else ""
        table.add_row(str(row.number), row.status, *map(_cell, cells), escape(error))
    console().print(table)


def _print_row(row: Row, columns: list[str]) -> None:
    click.echo(f"Row {row.number} (record {row.record}): {row.status}")
    for column, value in zip(columns, row.values, strict=False):
        click.echo(f"  {column}: {written(value)}")
    for column, value in (row.output or {}).items():
        click.echo(f"  → {column}: {written(value)}")
    for attempt in row.attempts:
        error = f": {attempt.code}: {attempt.message}" if attempt.code else ""
        began = moment(attempt.started_at)
        click.echo(f"  attempt {attempt.number} at {began}, {attempt.duration:.3f} s, {attempt.outcome}{error}")


def _cell(value: Any) -> str:
    text = written(value)
    return escape(" ".join(text.split()))
