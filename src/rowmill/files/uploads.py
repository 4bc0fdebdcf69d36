"""Takes an upload in as it comes, straight to disk: a raw body, or the one file of a form."""

from collections.abc import AsyncIterator, Iterator
from email.message import Message
from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from rowmill.files.service import Upload
from rowmill.http.problems import ApiError

_PIECE = 1 << 18
"""Bytes that are gathered before they are written."""


class _Body(Protocol):
    """Finds the file in a body."""

    name: str | None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces of the file that stand in the next bytes of the body. Raises ``ApiError``."""
        ...

    def end(self) -> None:
        """Raises ``ApiError`` where the body is not whole."""
        ...


async def receive(request: Request, upload: Upload, largest: int) -> str | None:
    """Writes the request's file to ``upload``, durably; returns what the request calls it. No more than a few hundred
    kB are in memory. Raises ``ApiError``, ``DiskFull`` and ``StoreError``."""
    if int(request.headers.get("content-length") or 0) > largest:
        raise _too_large(largest)
    body = _body(request)
    received = 0
    gathered: list[bytes] = []
    waiting = 0
    async for data in _pieces(request):
        received += len(data)
        if received > largest:
            raise _too_large(largest)
        for piece in body.feed(data):
            gathered.append(piece)
            waiting += len(piece)
        if waiting >= _PIECE:
            await run_in_threadpool(upload.write, b"".join(gathered))
            gathered, waiting = [], 0
    body.end()
    await run_in_threadpool(upload.write, b"".join(gathered))
    if upload.size == 0:
        raise ApiError("invalid_request", "The file is empty.", "Send its content as the body of the request.")
    await run_in_threadpool(upload.finish)
    return body.name


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise ApiError("invalid_request", "The upload broke off.", "Send it again.") from None


class _RawBody:
    def __init__(self, request: Request) -> None:
        header = Message()
        header["Content-Disposition"] = request.headers.get("content-disposition", "")
        self.name = _as_text(header.get_filename())

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def end(self) -> None: ...


class _FormBody:
    """``multipart/form-data`` (RFC 7578) with one part that has a file name; other parts are passed over."""

    def __init__(self, boundary: bytes) -> None:
        self.name: str | None = None
        self._found: list[bytes] = []
        self._header = b""
        self._value = b""
        self._disposition = b""
        self._in_file = False
        self._files = 0
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._part_data,
                },
            )
        except FormParserError as error:
            raise _no_form() from error

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _no_form() from error
        found, self._found = self._found, []
        yield from found

    def end(self) -> None:
        if self._parser.state != MultipartState.END:
            raise _no_form()
        if self._files == 0:
            raise ApiError("invalid_request", "The form holds no file.", "Send one: curl -F file=@reviews.csv")

    def _part_begins(self) -> None:
        self._disposition = b""
        self._in_file = False

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        name = options.get(b"filename")
        if name is None:
            return
        self._in_file = True
        self._files += 1
        if self._files > 1:
            raise ApiError("invalid_request", "The form has more than one file.", "Send one file per request.")
        self.name = name.decode(errors="replace")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._found.append(data[start:end])


def _body(request: Request) -> _Body:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        return _RawBody(request)
    if not options.get(b"boundary"):
        raise _no_form()
    return _FormBody(options[b"boundary"])


def _as_text(name: str | None) -> str | None:
    """Headers come as Latin-1; most of those who send more mean UTF-8."""
    try:
        return name.encode("latin-1").decode() if name else None
    except UnicodeError:
        return name


def _no_form() -> ApiError:
    hint = "Send multipart/form-data with one file, or the file itself as the body."
    return ApiError("invalid_request", "The form cannot be read.", hint)


def _too_large(largest: int) -> ApiError:
    hint = "Whoever runs the server may allow more: rowmill serve --max-upload"
    return ApiError("too_large", f"An upload may have {largest:,} bytes.", hint)
