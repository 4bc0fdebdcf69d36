"""Answers that are streamed: files and tables. No thread is held while the client takes its time."""

import asyncio
import re
from collections.abc import Generator
from contextlib import suppress
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from rowmill.core.errors import NotFound
from rowmill.http.problems import ApiError
from rowmill.ledger.files import StoredFile

_PIECE = 1 << 18
_PATIENCE = 120.0
"""Seconds in which a client has to take the next piece."""
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")
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
"""The answer with a file, for a route's description."""


class Streamed(StreamingResponse):
    """Sends ``first``, then ``pieces`` as they are made, in threads; empty ones only show that there is progress.
    However it ends, the generator is closed."""

    def __init__(
        self,
        pieces: Generator[bytes],
        first: bytes,
        name: str,
        headers: dict[str, str] | None = None,
        status: int = 200,
    ) -> None:
        told = {
            "Content-Disposition": _disposition(name),
            "X-Content-Type-Options": "nosniff",  # a browser must not take an upload for a page of this server
            **(headers or {}),
        }
        media_type = _MEDIA_TYPES.get(PurePosixPath(name).suffix.lower().removeprefix("."), _OTHER)
        super().__init__(chain((first,), pieces), status, told, media_type)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def patiently(message: Message) -> None:
            if message.get("body") or not message.get("more_body"):
                async with asyncio.timeout(_PATIENCE):
                    await send(message)

        try:
            with suppress(TimeoutError):  # the connection is of no use any more
                await super().__call__(scope, receive, patiently)
        finally:
            await _close(self._pieces)


async def first_piece(request: Request, pieces: Generator[bytes]) -> bytes:
    """The first piece that is not empty, so that what is wrong becomes an error of its own, before anything was sent. A
    client that goes away meanwhile is given up."""
    try:
        while (piece := await run_in_threadpool(next, pieces, None)) is not None:
            if piece or await request.is_disconnected():
                return piece
    except BaseException:
        await _close(pieces)
        raise
    return b""


async def send_file(request: Request, file: StoredFile, path: Path) -> Response:
    """The content of ``file``, which lies at ``path``: all of it, or the range that is asked for (RFC 9110; of several
    ranges all of it). Raises ``ApiError`` and ``NotFound``."""
    if file.size is None or file.sha256 is None:
        hint = f"It is once {file.job} has completed." if file.job else "Ask again once it is."
        raise ApiError("conflict", f"The file {file.id} is not there yet.", hint)
    etag = f'"{file.sha256}"'
    seen = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if etag in seen or "*" in seen:
        return Response(status_code=304, headers={"ETag": etag})
    first, last = _range(request, etag, file.size)
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Length": str(last - first + 1)}
    partial = last - first + 1 < file.size
    if partial:
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
    pieces = _content(path, first, last)
    return Streamed(pieces, await first_piece(request, pieces), file.name, headers, 206 if partial else 200)


def _content(path: Path, first: int, last: int) -> Generator[bytes]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise NotFound("The file was deleted.", "GET /v1/files lists the others.") from None
    with file:
        file.seek(first)
        left = last - first + 1
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece


def _range(request: Request, etag: str, size: int) -> tuple[int, int]:
    """The first and the last byte that are asked for. Raises ``ApiError`` where there are none such."""
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or request.headers.get("if-range", etag) != etag or not any(asked.groups()):
        return 0, size - 1
    start, end = asked.groups()
    if not start:
        first, last = max(size - int(end), 0), size - 1
    else:
        first, last = int(start), min(int(end or size), size - 1)
    if start and end and int(end) < int(start):
        return 0, size - 1  # no range at all
    if first > last:
        hint = "Ask for less, or leave the header Range out."
        told = {"Content-Range": f"bytes */{size}"}
        raise ApiError("range_not_satisfiable", f"The file has {size:,} bytes.", hint, told)
    return first, last


def _disposition(name: str) -> str:
    """After RFC 6266: a name for everybody, and the very one for those who know UTF-8."""
    plain = _UNSAFE.sub("_", name)
    if plain == name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


async def _close(pieces: Generator[bytes]) -> None:
    with anyio.CancelScope(shield=True):
        await run_in_threadpool(pieces.close)
