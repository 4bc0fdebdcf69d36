"""Finding and paging through jobs and rows."""

from rowmill.model.job import Job, Row
from rowmill.model.status import RowStatus
from rowmill.store.store import Store


def rows_page(store: Store, job: Job, status: RowStatus | None, after: int, limit: int) -> list[Row]:
    """The next ``limit`` rows of ``job`` after row number ``after``, all or those that are ``status``."""
    if status is None:
        return store.browse.rows(job.pk, after + 1, after + limit)
    rows = []
    for number in store.browse.numbers(job.pk, status, after, limit):
        # Between the two reads a row may have moved on; it is shown as it stands.
        rows += store.browse.rows(job.pk, number, number)
    return rows


def row(store: Store, job: Job, number: int) -> Row | None:
    """One row with all its attempts."""
    found = store.browse.rows(job.pk, number, number)
    return store.browse.attempts(job.pk, found[0]) if found else None
