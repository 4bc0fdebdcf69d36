"""Streams an upload to disk: a raw body, or the one file of a form."""

from collections.abc import AsyncIterator
from email.message import Message

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from rowmill.files.service import Upload
from rowmill.http.problems import ApiError

_PIECE = 1 << 18
"""Bytes that are gathered before they are written."""


async def receive(request: Request, upload: Upload, largest: int) -> str | None:
    """Writes the request's file to ``upload``, durably; returns the name that the request gives it. At most a few
    hundred kB are in memory. Raises ``ApiError``, ``DiskFull`` and ``StoreError``."""
    if int(request.headers.get("content-length") or 0) > largest:
        raise _too_large(largest)
    kind, options = parse_options_header(request.headers.get("content-type"))
    form = _Form(options.get(b"boundary", b"")) if kind == b"multipart/form-data" else None
    received = 0
    waiting = bytearray()
    async for data in _pieces(request):
        received += len(data)
        if received > largest:
            raise _too_large(largest)
        waiting += data if form is None else form.feed(data)
        if len(waiting) >= _PIECE:
            await run_in_threadpool(upload.write, bytes(waiting))
            waiting.clear()
    name = _name(request) if form is None else form.end()
    await run_in_threadpool(upload.write, bytes(waiting))
    if upload.size == 0:
        raise ApiError("invalid_request", "The file is empty.", "Send its content as the body of the request.")
    await run_in_threadpool(upload.finish)
    return name


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise ApiError("invalid_request", "The upload broke off.", "Send it again.") from None


class _Form:
    """``multipart/form-data`` (RFC 7578) with one part that has a file name; other parts are ignored."""

    def __init__(self, boundary: bytes) -> None:
        self._name: str | None = None
        self._file = bytearray()
        self._header = b""
        self._value = b""
        self._disposition = b""
        self._in_file = False
        self._files = 0
        if not boundary:
            raise _unreadable()
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
            raise _unreadable() from error

    def feed(self, data: bytes) -> bytes:
        """What the next bytes of the body hold of the file. Raises ``ApiError``."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _unreadable() from error
        found = bytes(self._file)
        self._file.clear()
        return found

    def end(self) -> str | None:
        """The file's name. Raises ``ApiError`` if the form is incomplete."""
        if self._parser.state != MultipartState.END:
            raise _unreadable()
        if self._files == 0:
            raise ApiError("invalid_request", "The form holds no file.", "Send one: curl -F file=@reviews.csv")
        return self._name

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
        self._name = name.decode(errors="replace")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._file += data[start:end]


def _name(request: Request) -> str | None:
    """The name in Content-Disposition."""
    header = Message()
    header["Content-Disposition"] = request.headers.get("content-disposition", "")
    name = header.get_filename()
    try:
        return name.encode("latin-1").decode() if name else None  # headers come as Latin-1, and mostly mean UTF-8
    except UnicodeError:
        return name


def _unreadable() -> ApiError:
    hint = "Send multipart/form-data with one file, or the file itself as the body."
    return ApiError("invalid_request", "The form cannot be read.", hint)


def _too_large(largest: int) -> ApiError:
    hint = "Whoever runs the server may allow more: rowmill serve --max-upload"
    return ApiError("too_large", f"An upload may have {largest:,} bytes.", hint)
