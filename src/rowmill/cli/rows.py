"""``rowmill rows``: rows of a job, or records of a dataset."""

from typing import Any

import click
import orjson
from rich.markup import escape
from rich.table import Table

from rowmill.cli.common import console, json_option, print_json, the_store
from rowmill.core.errors import NotFound, UsageError
from rowmill.core.job import Job, Row
from rowmill.core.status import JobType, RowStatus
from rowmill.core.template import written
from rowmill.core.timestamps import moment
from rowmill.engine.inputs import result_columns
from rowmill.jobs.datasets import find, record
from rowmill.jobs.rows import row as one_row
from rowmill.jobs.rows import rows_page
from rowmill.jobs.view import record_view, row_view
from rowmill.ledger.store import Store
from rowmill.shapes.datasets import Record
from rowmill.tables.dataset import Dataset
from rowmill.tables.headers import match_headers

_CELL = 60
_FIRST = 3
"""Source columns that the table of rows has room for."""

_MOST = (1 << 53) - 1


@click.command()
@click.argument("name", metavar="JOB|DATASET")
@click.argument("number", type=click.IntRange(1, _MOST), required=False)
@click.option(
    "--status", type=click.Choice([s.value for s in RowStatus]), help="Only rows with this status (jobs only)."
)
@click.option("--after", type=click.IntRange(0, _MOST), default=0, help="Start after this number.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Maximum number of rows.")
@json_option
def rows(name: str, number: int | None, status: str | None, after: int, limit: int, *, as_json: bool) -> None:
    """Show a job's rows or a dataset's records; with NUMBER, one row and its attempts or one record's history."""
    with the_store() as store:
        found = find(store, name)
        if isinstance(found, Job):
            _rows_of_job(store, found, number, RowStatus(status) if status else None, after, limit, as_json=as_json)
        elif status:
            raise UsageError("--status chooses rows of a job.", "Leave it out for a dataset.")
        elif number is not None:
            _one_record(store, found, number, as_json=as_json)
        else:
            _records(store, found, after, limit, as_json=as_json)


def _rows_of_job(
    store: Store, job: Job, number: int | None, status: RowStatus | None, after: int, limit: int, *, as_json: bool
) -> None:
    columns, priced = store.datasets.get(job.dataset).columns, job.priced
    if number is None:
        page = rows_page(store, job, status, after, limit)
        if as_json:
            print_json([row_view(row, columns, priced=priced) for row in page])
        else:
            _print_rows(page, columns, job)
        return
    found = one_row(store, job, number)
    if found is None:
        raise NotFound(f"{job.id} has no row {number}.", f"Its rows are numbered 1 to {job.counts.total}.")
    print_json(row_view(found, columns, priced=priced)) if as_json else _print_row(found, columns)


def _records(store: Store, dataset: Dataset, after: int, limit: int, *, as_json: bool) -> None:
    lines = store.datasets.records(dataset.pk, dataset.revision, after, limit)
    numbers = [number for number, _ in lines]
    added = result_columns(store, dataset)
    results = (
        store.results.values(dataset.pk, numbers[0], numbers[-1], dataset.result_version) if lines and added else {}
    )
    columns = [*dataset.columns, *added]
    found = [
        (number, results.get(number, {}) | dict(zip(dataset.columns, orjson.loads(data), strict=False)))
        for number, data in lines
    ]
    if as_json:
        print_json([Record(number, {name: row.get(name) for name in columns}) for number, row in found])
        return
    table = _table(["record", *dataset.columns[: 2 * _FIRST], *added])
    for number, row in found:
        table.add_row(str(number), *(_cell(row.get(name)) for name in [*dataset.columns[: 2 * _FIRST], *added]))
    console().print(table)
    _tell_hidden(len(dataset.columns) - 2 * _FIRST)


def _one_record(store: Store, dataset: Dataset, number: int, *, as_json: bool) -> None:
    found = record(store, dataset, number)
    if found is None:
        hint = f"Its records are numbered 1 to {dataset.rows}."
        raise NotFound(f"{dataset.name} has no record {number}.", hint)
    view = record_view(store, dataset, found)
    if as_json:
        print_json(view)
        return
    for version in view.versions:
        until = f" to {version.superseded - 1}" if version.superseded else ""
        click.echo(f"Record {number}, revision {version.revision}{until}:")
        for name, value in version.values.items():
            click.echo(f"  {name}: {written(value)}")
    for result in view.results:
        model = f", {result.model}" if result.model else ""
        click.echo(f"Result of {result.job}, execution {result.execution}, row {result.row}{model}:")
        for name, value in result.output.items():
            click.echo(f"  → {name}: {written(value)}")


def _print_rows(page: list[Row], columns: list[str], job: Job) -> None:
    first = [] if job.type is JobType.EXPORT else columns[:_FIRST]
    table = _table(["row", "status", *first, *job.columns, "error"])
    for row in page:
        output = row.output or {}
        source = dict(zip(columns, row.values, strict=False))
        if job.type is JobType.IMPORT:  # of a refused line the cells under the names in its file
            source |= zip(match_headers(list(output), columns), output.values(), strict=True)
        cells = [source.get(name) for name in first] + [output.get(column) for column in job.columns]
        error = ": ".join(part for part in (row.code, row.message) if part)
        table.add_row(str(row.number), row.status, *map(_cell, cells), escape(error))
    console().print(table)
    _tell_hidden(len(columns) - len(first) if job.type is not JobType.EXPORT else 0)


def _tell_hidden(columns: int) -> None:
    if columns > 0:
        click.echo(f"{columns:,} more columns: see one with its number, or all with --json.", err=True)


def _print_row(row: Row, columns: list[str]) -> None:
    record_ = f" (record {row.record})" if row.record else ""
    why = ": ".join(part for part in (row.code, row.message) if part)
    click.echo(f"Row {row.number}{record_}: {row.status}{f', {why}' if why and not row.attempts else ''}")
    for column, value in zip(columns, row.values, strict=False):
        click.echo(f"  {column}: {written(value)}")
    for column, value in (row.output or {}).items():
        click.echo(f"  → {column}: {written(value)}")
    for attempt in row.attempts:
        error = f": {attempt.code}: {attempt.message}" if attempt.code else ""
        began = moment(attempt.started_at)
        click.echo(f"  attempt {attempt.number} at {began}, {attempt.duration:.3f} s, {attempt.outcome}{error}")


def _table(headings: list[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(escape(heading), overflow="ellipsis", no_wrap=True, max_width=_CELL)
    return table


def _cell(value: Any) -> str:
    text = written(value)
    return escape(" ".join(text.split()))
