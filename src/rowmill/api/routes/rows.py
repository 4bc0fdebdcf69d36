"""A job's rows."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from rowmill.api.routes.jobs import JobDep
from rowmill.core.errors import NotFound
from rowmill.core.job import Row
from rowmill.core.status import RowStatus
from rowmill.http.access import READ
from rowmill.http.answers import Answer
from rowmill.http.context import StoreDep
from rowmill.http.paging import Cursor, Limit, Pager
from rowmill.http.problems import responses
from rowmill.jobs import rows as browse
from rowmill.jobs.view import row_view
from rowmill.shapes import rows as shapes
from rowmill.shapes.base import Page

router = APIRouter(prefix="/v1/jobs/{job_id}/rows", tags=["rows"], dependencies=[READ])

_LAST = 1 << 53
RowNumber = Annotated[int, Path(ge=1, le=_LAST, description="Counts from 1 within the job.")]


@router.get("", response_model=Page[shapes.Row], responses=responses("not_found", "invalid_cursor"))
def list_rows(
    store: StoreDep,
    job: JobDep,
    status: Annotated[RowStatus | None, Query(description="Only rows of this status.")] = None,
    after: Annotated[int, Query(ge=0, le=_LAST, description="Begin after this row number.")] = 0,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Answer:
    """The rows of a job by number, as they stand."""
    pager = Pager("rows", job.id, status)
    found = browse.rows_page(store, job, status, pager.after(cursor, after), limit + 1)
    columns = store.datasets.get(job.dataset).columns
    page = pager.page(found, limit, lambda row: row.number, lambda row: row_view(row, columns, priced=job.priced))
    return Answer(page)


@router.get("/{number}", response_model=shapes.Row, responses=responses("not_found"))
def get_row(store: StoreDep, job: JobDep, number: RowNumber) -> Answer:
    """One row with all its attempts."""
    found: Row | None = browse.row(store, job, number)
    if found is None:
        raise NotFound(f"{job.id} has no row {number}.", "GET its rows to see which there are.")
    return Answer(row_view(found, store.datasets.get(job.dataset).columns, priced=job.priced))
