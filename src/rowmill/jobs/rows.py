"""Finding and paging through jobs and rows."""

from dataclasses import replace

from rowmill.core.job import Job, Row
from rowmill.core.status import JobType, RowStatus
from rowmill.ledger.store import Store


def rows_page(store: Store, job: Job, status: RowStatus | None, after: int, limit: int) -> list[Row]:
    """The next ``limit`` rows of ``job`` after row number ``after``, all or those that are ``status``."""
    if status is None:
        return _rows(store, job, after + 1, after + limit)
    rows = []
    for number in store.browse.numbers(job.pk, status, after, limit):
        # Between the two reads a row may have moved on; it is shown as it stands.
        rows += _rows(store, job, number, number)
    return rows


def row(store: Store, job: Job, number: int) -> Row | None:
    """One row with all its attempts."""
    found = _rows(store, job, number, number)
    if not found or job.type is not JobType.ENRICHMENT:
        return found[0] if found else None
    return store.browse.attempts(job.pk, found[0])


def _rows(store: Store, job: Job, lo: int, hi: int) -> list[Row]:
    match job.type:
        case JobType.ENRICHMENT:
            return store.browse.rows(job.pk, lo, hi)
        case JobType.IMPORT:
            return [_with_values(store, job, row) for row in store.browse.lines(job.pk, lo, hi)]
        case JobType.EXPORT:
            return store.browse.lines(job.pk, lo, hi)


def _with_values(store: Store, job: Job, row: Row) -> Row:
    """The row of an import with the record as it stands now."""
    if row.record is None:
        return row
    values = store.datasets.newest(job.dataset, row.record)
    return replace(row, values=values)
