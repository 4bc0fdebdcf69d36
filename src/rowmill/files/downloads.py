"""Responses with a file: a stored one, or a table that is made while it is sent."""

import re
from collections.abc import Generator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from rowmill.core.errors import NotFound
from rowmill.core.messages import Message
from rowmill.http.problems import ApiError
from rowmill.ledger.files import StoredFile

_MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_OTHER = "application/octet-stream"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
BODY: dict[str, Any] = {
    "description": "The file.",
    "content": {each.partition(";")[0]: _BINARY for each in (*_MEDIA_TYPES.values(), _OTHER)},
}
"""The response with a file, for a route's description."""
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")


class TableResponse(StreamingResponse):
    """Sends ``first``, then ``pieces`` as threads make them; empty pieces only show that there is progress. However it
    ends, the generator is closed."""

    def __init__(self, first: bytes, pieces: Generator[bytes], name: str) -> None:
        super().__init__(chain((first,), pieces), headers=_headers(name), media_type=_media_type(name))
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await _close(self._pieces)


async def first_piece(request: Request, pieces: Generator[bytes]) -> bytes:
    """The first piece that is not empty: errors before it become a response of their own, as nothing has been sent yet.
    Stops when the client disconnects."""
    try:
        while (piece := await run_in_threadpool(next, pieces, None)) is not None:
            if piece or await request.is_disconnected():
                return piece
    except BaseException:
        await _close(pieces)
        raise
    return b""


class _StoredFileResponse(FileResponse):
    chunk_size = 1 << 18

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []  # which RFC 9110 has ignored, not refused
        except RangeNotSatisfiable:
            hint = "Ask for less, or omit the Range header."
            headers = {"Content-Range": f"bytes */{file_size}"}
            raise ApiError("range_not_satisfiable", f"The file has {file_size:,} bytes.", hint, headers) from None


def send_file(request: Request, file: StoredFile, path: Path) -> Response:
    """The content of ``file``, which is at ``path``, or the ranges of it that are asked for. Raises ``ApiError`` and
    ``NotFound``."""
    if file.size is None or file.sha256 is None:
        hint = f"It is once {file.job} has completed." if file.job else "Ask again once it is."
        raise ApiError("conflict", f"The file {file.id} is not there yet.", hint)
    etag = f'"{file.sha256}"'
    seen = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if etag in seen or "*" in seen:
        return Response(status_code=304, headers={"ETag": etag})
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise NotFound(Message.FILE_DELETED) from None
    headers = {"ETag": etag, **_headers(file.name)}
    return _StoredFileResponse(path, headers=headers, media_type=_media_type(file.name), stat_result=stat)


def _headers(name: str) -> dict[str, str]:
    plain = _UNSAFE.sub("_", name)
    # RFC 6266: a name that every client understands, and the real one for those that know UTF-8.
    encoded = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return {
        "Content-Disposition": f'attachment; filename="{plain}"{encoded}',
        "X-Content-Type-Options": "nosniff",  # a browser must not take an upload for a page of this server
    }


def _media_type(name: str) -> str:
    return _MEDIA_TYPES.get(PurePosixPath(name).suffix.lower().removeprefix("."), _OTHER)


async def _close(pieces: Generator[bytes]) -> None:
    with anyio.CancelScope(shield=True):
        await run_in_threadpool(pieces.close)
