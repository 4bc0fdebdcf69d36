"""Files: uploaded, listed, downloaded, deleted."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from rowmill.core.bounds import NO_LIMIT
from rowmill.core.errors import NotFound
from rowmill.core.messages import Message
from rowmill.files import uploads as bodies
from rowmill.files.downloads import BODY, send_file
from rowmill.files.service import Upload, delete_file, file_view, path_of
from rowmill.http.access import READ, RUN
from rowmill.http.answers import Answer
from rowmill.http.context import ContextDep, StoreDep
from rowmill.http.idempotency import Made, OnceDep
from rowmill.http.paging import Cursor, Limit, Pager, foreign_cursor
from rowmill.http.problems import responses
from rowmill.ledger.files import StoredFile
from rowmill.shapes.base import Page
from rowmill.shapes.files import File
from rowmill.tables.filenames import safe_name

router = APIRouter(prefix="/v1/files", tags=["files"])

_CONTENT = {"type": "string", "format": "binary", "minLength": 1}
_FORM = {"type": "object", "properties": {"file": _CONTENT}, "required": ["file"]}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _CONTENT},
            "multipart/form-data": {"schema": _FORM},
        },
    }
}

FileIdPath = Annotated[str, Path(pattern=r"^file_[a-z0-9]+$", max_length=100, description="The file's id.")]


def _the_file(store: StoreDep, file_id: FileIdPath) -> StoredFile:
    found = store.stored_files.get(file_id)
    if found is None:
        raise NotFound(Message.FILE_UNKNOWN, file=file_id)
    return found


FileDep = Annotated[StoredFile, Depends(_the_file)]


@router.post(
    "",
    status_code=201,
    response_model=File,
    dependencies=[RUN],
    responses=responses("too_large", "disk_full", "idempotency_key_reused", "busy"),
    max_body_size=NO_LIMIT,  # the policy limits it
    openapi_extra=_UPLOAD,
)
async def upload_file(
    context: ContextDep,
    request: Request,
    once: OnceDep,
    name: Annotated[
        str | None,
        Query(min_length=1, max_length=255, description="What the file is called; its suffix says its format."),
    ] = None,
) -> Response:
    """Takes in the body as a file, or the one file of a form. It is kept whole, or nothing of it is."""
    upload = await run_in_threadpool(Upload, context.store)
    try:
        called = await bodies.receive(request, upload, context.policy.max_upload)
        named = safe_name(name or called or "")

        def make(file_id: str) -> Made:
            file = context.store.stored_files.get(file_id) or upload.keep(file_id, named)
            return Made(file_view(file), headers={"Location": f"/v1/files/{file.id}"})

        return await run_in_threadpool(once, "file", f"{upload.sha256} {named}".encode(), make)
    finally:
        upload.drop()  # at once: a server that stops waits for nothing more
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(upload.close)


@router.get("", response_model=Page[File], dependencies=[READ], responses=responses("invalid_cursor"))
def list_files(store: StoreDep, limit: Limit = 50, cursor: Cursor = None) -> Answer:
    """Uploads and downloads, newest first."""
    pager = Pager("files")
    found = store.stored_files.page(*_moment_and_id(pager.after(cursor, "inf ")), limit + 1)
    return Answer(pager.page(found, limit, lambda file: f"{file.created_at!r} {file.id}", file_view))


def _moment_and_id(position: str) -> tuple[float, str]:
    moment, _, id_ = position.partition(" ")
    try:
        return float(moment), id_
    except ValueError:
        raise foreign_cursor() from None


@router.get("/{file_id}", response_model=File, dependencies=[READ], responses=responses("not_found"))
def get_file(file: FileDep) -> Answer:
    """What is known of a file."""
    return Answer(file_view(file))


@router.get(
    "/{file_id}/content",
    response_class=Response,
    dependencies=[READ],
    responses={
        **responses("not_found", "conflict", "range_not_satisfiable"),
        200: BODY,
        206: {**BODY, "description": "The range of it that the header `Range` asks for."},
        304: {"description": "It is the same as when it had the ETag in `If-None-Match`."},
    },
)
def get_file_content(context: ContextDep, request: Request, file: FileDep) -> Response:
    """The content of a file; a range of it, too."""
    return send_file(request, file, path_of(context.store, file.id))


@router.delete(
    "/{file_id}",
    status_code=204,
    response_class=Response,
    dependencies=[RUN],
    responses=responses("not_found", "busy"),
)
def remove_file(store: StoreDep, file: FileDep) -> None:
    """Deletes a file that no unfinished job needs."""
    delete_file(store, file)
