"""``rowmill rows``: rows of a job, or records of a dataset."""

import click
import orjson

from rowmill.cli.common import json_option, print_json, the_store
from rowmill.cli.tables import print_note, print_table
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
@click.option("--full", is_flag=True, help="Print all columns and whole values, however wide.")
@json_option
def rows(
    name: str, number: int | None, status: str | None, after: int, limit: int, *, full: bool, as_json: bool
) -> None:
    """Show a job's rows or a dataset's records; with NUMBER, one row and its attempts or one record's history."""
    with the_store() as store:
        found = find(store, name)
        if isinstance(found, Job):
            only = RowStatus(status) if status else None
            _rows_of_job(store, found, number, only, after, limit, full=full, as_json=as_json)
        elif status:
            raise UsageError("--status chooses rows of a job.", "Leave it out for a dataset.")
        elif number is not None:
            _one_record(store, found, number, as_json=as_json)
        else:
            _records(store, found, after, limit, full=full, as_json=as_json)


def _rows_of_job(
    store: Store,
    job: Job,
    number: int | None,
    status: RowStatus | None,
    after: int,
    limit: int,
    *,
    full: bool,
    as_json: bool,
) -> None:
    columns, priced = store.datasets.get(job.dataset).columns, job.priced
    if number is None:
        page = rows_page(store, job, status, after, limit)
        if as_json:
            print_json([row_view(row, columns, priced=priced) for row in page])
        else:
            _print_rows(page, columns, job, full=full)
        return
    found = one_row(store, job, number)
    if found is None:
        raise NotFound(f"{job.id} has no row {number}.", f"Its rows are numbered 1 to {job.counts.total}.")
    print_json(row_view(found, columns, priced=priced)) if as_json else _print_row(found, columns)


def _records(store: Store, dataset: Dataset, after: int, limit: int, *, full: bool, as_json: bool) -> None:
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
    first = dataset.columns if full else dataset.columns[: 2 * _FIRST]
    shown = [*first, *added]
    table = [[str(number), *(written(row.get(name)) for name in shown)] for number, row in found]
    text = [place for place, name in enumerate(shown, start=1) if name != dataset.schema.key]
    print_table(["record", *shown], table, text=text, full=full)
    _note_hidden(len(dataset.columns) - len(first))


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


def _print_rows(page: list[Row], columns: list[str], job: Job, *, full: bool) -> None:
    source_columns = [] if job.type is JobType.EXPORT else columns
    first = source_columns if full else source_columns[:_FIRST]
    headings = ["row", "status", *first, *job.columns, "error"]
    lines = []
    for row in page:
        output = row.output or {}
        source = dict(zip(columns, row.values, strict=False))
        if job.type is JobType.IMPORT:  # of a refused line the cells under the names in its file
            source |= zip(match_headers(list(output), columns), output.values(), strict=True)
        cells = [source.get(name) for name in first] + [output.get(column) for column in job.columns]
        error = ": ".join(part for part in (row.code, row.message) if part)
        lines.append([str(row.number), row.status, *map(written, cells), error])
    print_table(headings, lines, text=range(2, len(headings)), full=full)
    _note_hidden(len(source_columns) - len(first))


def _note_hidden(columns: int) -> None:
    if columns > 0:
        print_note(f"{columns:,} more {'column' if columns == 1 else 'columns'}: use --full to print everything.")


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
