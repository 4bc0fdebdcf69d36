"""From what the API is asked for to imports and exports."""

import threading
import time
from dataclasses import replace

from rowmill.api.lookup import the_dataset, the_job
from rowmill.core.errors import InputError, UsageError
from rowmill.core.job import Job
from rowmill.files.service import format_of, path_of, upload_of
from rowmill.http.context import Context
from rowmill.http.problems import ApiError
from rowmill.jobs.submit import exports, imports
from rowmill.jobs.submit.exports import ExportRequest
from rowmill.jobs.submit.imports import ImportRequest
from rowmill.ledger.store import Store
from rowmill.shapes.jobs import ExportInput, ImportInput
from rowmill.tables.dataset import Dataset
from rowmill.tables.schema import Field

_LONGEST_FETCH = 60.0
"""Seconds in which what a URL holds has to be here: the request waits for it."""
_fetching = threading.BoundedSemaphore(4)
"""Requests that wait for a URL, of the few dozen that are worked on at a time."""


def submit_import(context: Context, asked: ImportInput, job_id: str) -> Job:
    """Makes the import. Raises ``UsageError`` and ``ApiError``; nothing is left behind then."""
    given = _the_one_of(asked, "file", "url", "path")
    request = ImportRequest(
        given,
        format=asked.format,
        dataset=asked.dataset,
        key=asked.key,
        fields=tuple(Field(each.name, each.type, each.required, tuple(each.values)) for each in asked.fields),
        name=asked.name,
        new=True,
        detach=True,
        metadata=dict(asked.metadata),
        id=job_id,
        held=not asked.start,
    )
    if asked.url is not None:
        return _fetch_and_submit(context, request)
    request = _of_upload(context.store, request) if asked.file else _of_path(context, request)
    return imports.submit_import(context.store, request).job


def _of_upload(store: Store, request: ImportRequest) -> ImportRequest:
    file = upload_of(store, request.input)
    return replace(
        request,
        input=str(path_of(store, file.id)),
        input_name=file.name,
        file=file.id,
        format=request.format or format_of(store, file),
        sha256=file.sha256,
    )


def _of_path(context: Context, request: ImportRequest) -> ImportRequest:
    return replace(request, input=str(context.policy.check_path(request.input)), input_name=request.input)


def _fetch_and_submit(context: Context, request: ImportRequest) -> Job:
    policy = context.policy
    policy.check_url(request.input)
    if not _fetching.acquire(blocking=False):
        raise ApiError("unavailable", "The server fetches from no more URLs at a time.", "Try again soon.")
    until = time.monotonic() + _LONGEST_FETCH

    def bounded(size: int) -> None:
        if size > policy.max_upload or time.monotonic() > until:
            limits = f"{policy.max_upload:,} bytes and {_LONGEST_FETCH:g} seconds"
            raise InputError(f"What stands there takes more than {limits}.", "Fetch it yourself, and upload it.")

    try:
        return imports.submit_import(context.store, replace(request, guard=policy.guard), bounded).job
    finally:
        _fetching.release()


def submit_export(context: Context, asked: ExportInput, job_id: str) -> Job:
    """Makes the export. Raises ``UsageError`` and ``ApiError``; nothing is left behind then."""
    _the_one_of(asked, "dataset", "job")
    request = ExportRequest(
        _destination(context, asked),
        format=asked.format,
        only=asked.only,
        pairs=tuple((each.column, each.name or each.column) for each in asked.columns),
        safe_cells=asked.safe_cells,
        rows=asked.select,
        where=asked.where,
        overwrite=asked.overwrite,
        new=True,
        detach=True,
        name=asked.name,
        metadata=dict(asked.metadata),
        id=job_id,
        held=not asked.start,
    )
    return exports.submit_export(context.store, _origin(context.store, asked), request).job


def _destination(context: Context, asked: ExportInput) -> str | None:
    if asked.url is not None and asked.path is not None:
        raise UsageError("An export has one destination.", "Give url or path, or neither for a download.")
    if asked.url is not None:
        context.policy.check_url(asked.url)
        return asked.url
    return None if asked.path is None else str(context.policy.check_path(asked.path))


def _origin(store: Store, asked: ExportInput) -> Job | Dataset:
    return the_dataset(store, asked.dataset) if asked.dataset is not None else the_job(store, asked.job or "")


def _the_one_of(asked: ImportInput | ExportInput, *names: str) -> str:
    """What is given of the fields ``names``. Raises ``UsageError`` unless that is one."""
    given = [str(getattr(asked, name)) for name in names if getattr(asked, name) is not None]
    if len(given) != 1:
        raise UsageError(f"An {asked.type} is made from one thing.", f"Give one of {', '.join(names)}.")
    return given[0]
