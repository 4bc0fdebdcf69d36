"""A job's rows as a file."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from rowmill.api.routes.jobs import JobDep
from rowmill.core.errors import NotFound, UsageError
from rowmill.core.job import Job
from rowmill.core.status import JobStatus, JobType
from rowmill.files.downloads import BODY, TableResponse, first_piece, send_file
from rowmill.files.service import path_of
from rowmill.http.access import READ
from rowmill.http.context import ContextDep
from rowmill.http.problems import ApiError, responses
from rowmill.jobs.results import Table
from rowmill.ledger.files import StoredFile
from rowmill.ledger.store import Store
from rowmill.tables.filenames import download_name

router = APIRouter(prefix="/v1/jobs", tags=["results"])

Format = Literal["csv", "tsv", "jsonl", "parquet", "xlsx"]
Only = Literal["succeeded", "failed", "unprocessed"]


@router.get(
    "/{job_id}/results",
    response_class=Response,
    dependencies=[READ],
    responses={
        **responses("not_found", "conflict", "range_not_satisfiable", "usage"),
        200: BODY,
        206: {**BODY, "description": "Of an export: the range of its file that the header `Range` asks for."},
        304: {"description": "Of an export: its file is the same as when it had the ETag in `If-None-Match`."},
    },
)
async def get_results(
    context: ContextDep,
    request: Request,
    job: JobDep,
    format_: Annotated[
        Format | None, Query(alias="format", description="csv unless told; of an export that of its file.")
    ] = None,
    only: Annotated[
        Only | None, Query(description="Only rows of this kind; of an import there are only the failed ones.")
    ] = None,
) -> Response:
    """The rows of a job as a table, all as they stand at this moment: its input columns, outputs, `_status` and
    `_error`. Of an import the failed rows, to be mended and imported again; of an export its file."""
    store = context.store
    if job.type is JobType.EXPORT:
        file = await run_in_threadpool(_download, store, job, format_, only)
        return await run_in_threadpool(send_file, request, file, path_of(store, file.id))
    if job.type is JobType.IMPORT:
        only = only or "failed"
    wanted = format_ or "csv"
    table = await run_in_threadpool(Table, store, job, only, wanted)
    pieces = table.pieces()
    return TableResponse(await first_piece(request, pieces), pieces, download_name(job.name, wanted))


def _download(store: Store, job: Job, format_: str | None, only: str | None) -> StoredFile:
    """The file that the export ``job`` makes. Raises ``UsageError``, ``NotFound`` and ``ApiError``."""
    assert job.output is not None
    if only or format_ not in (None, job.output.format):
        raise UsageError(f"{job.id} is an export, and its file is {job.output.format}.", "Leave format and only out.")
    if job.file is None:
        raise UsageError(f"{job.id} has no download: its file goes elsewhere.", "Export without path and url.")
    if job.status is JobStatus.CANCELLED:
        raise NotFound(f"{job.id} was cancelled, so that there is no file.", "Export again.")
    if job.status is JobStatus.FAILED:
        hint = f"Mend what its error tells, then resume it: POST /v1/jobs/{job.id}/resume"
        raise ApiError("conflict", f"{job.id} has failed before its file was there.", hint)
    if job.status is JobStatus.PAUSED:
        hint = f"Resume it: POST /v1/jobs/{job.id}/resume"
        raise ApiError("conflict", f"{job.id} is paused, and its file is not there yet.", hint)
    file = store.stored_files.get(job.file)
    if file is None:
        raise NotFound(f"The file of {job.id} was deleted.", "Export it again.")
    return file
