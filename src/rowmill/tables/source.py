"""Opens what a table is read from: a path, standard input or a URL; recognised by its content."""

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast
from urllib.parse import urlsplit

from rowmill.core.errors import InputError, UsageError
from rowmill.core.messages import Message
from rowmill.plugins.contracts import Guard, Reader, ReaderFactory, Storage
from rowmill.plugins.registry import load, names
from rowmill.plugins.regular_file import open_regular

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)://")
Tell = Callable[[int], None]
"""Told how many bytes have come so far; it may raise to stop."""


@dataclass(slots=True)
class OpenSource:
    """An open input file. ``name`` is what messages call it, ``format`` a reader's name."""

    name: str
    format: str
    file: BinaryIO
    content_hash: str
    _state: tuple[int, int]

    def reader(self) -> Reader:
        """Reads the header. Raises ``InputError``."""
        factory: ReaderFactory = load("readers", self.format)
        self.file.seek(0)
        return factory(self.file, self.name)

    def check_unchanged(self) -> None:
        """Raises ``InputError`` where the file was written to while it was read."""
        if _state(self.file) != self._state:
            raise InputError(f"{self.name} changed while it was being read.", "Run the command again.")


@contextmanager
def open_source(
    location: str,
    format_: str | None = None,
    tell: Tell = lambda size: None,
    *,
    guess: bool = False,
    sha256: str | None = None,
) -> Iterator[OpenSource]:
    """Opens a path, a URL or ``-`` (stdin); the latter two are put aside on disk first. The format is told by the
    suffix, or with ``guess`` by the content; ``sha256`` is that of a path's content, where it is known. Raises
    ``InputError`` and ``UsageError``."""
    if location == "-" or is_url(location):
        if location != "-":
            format_ = format_ or suffix_format(location, "readers")
        with tempfile.TemporaryFile() as file:
            put_aside(location, file, tell)
            yield _source(shown(location), format_ or guessed_format(file), file)
        return
    with open_path(location) as opened:
        format_ = format_ or (guessed_format(opened) if guess else suffix_format(location, "readers"))
        yield _source(location, format_, opened, sha256)


def check_name(path: str) -> None:
    """Raises ``UsageError`` for a name that no text can hold, and with it no store."""
    try:
        path.encode()
    except UnicodeEncodeError:
        shown_name = path.encode(errors="backslashreplace").decode()
        raise UsageError(f"The name {shown_name} is not UTF-8.", "Rename it.") from None


def open_path(path: str, called: str | None = None) -> BinaryIO:
    """``called`` is what messages call it, where that is not its path. Raises ``InputError`` for what is no readable
    file."""
    check_name(path)
    name = called or path
    try:
        opened = open_regular(Path(path))
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}.", "Check the path.") from error
    if opened is None:
        raise InputError(f"{name} is not a regular file.", "Give a file, or - for stdin.")
    return opened


def put_aside(location: str, file: BinaryIO, tell: Tell, guard: Guard | None = None) -> None:
    """Writes what stands at a URL, or comes from stdin, into ``file``; ``guard`` bounds where the URL may lead. Raises
    ``InputError``, and what the guard raises."""
    if location != "-":
        place = place_of(location)
        place.fetch(location, file, tell) if guard is None else place.fetch(location, file, tell, guard)
        return
    if sys.stdin is None:
        raise InputError("Standard input is closed.", "Give a file, or pipe the table in.")
    while block := cast("BufferedReader", sys.stdin.buffer).read1(1 << 20):
        file.write(block)


def is_url(location: str) -> bool:
    return _URL.match(location) is not None


def place_of(url: str) -> Storage:
    """Raises ``UsageError`` where nothing knows the URL's scheme."""
    scheme = cast("re.Match[str]", _URL.match(url))[1].lower()
    if scheme not in names("storage"):
        raise UsageError(f"There is no way to {scheme}:// from here.", f"Known are {', '.join(names('storage'))}.")
    place: Storage = load("storage", scheme)()
    return place


def shown(location: str) -> str:
    """What messages call a location: of a URL only what holds no secret."""
    if location == "-":
        return "stdin"
    if not location.startswith(("http://", "https://")):
        return location
    parts = urlsplit(location)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"


def suffix_format(location: str, group: str) -> str:
    """The reader or writer that goes with the suffix of a path or URL. Raises ``UsageError`` for an unknown one."""
    path = urlsplit(location).path if location.startswith(("http://", "https://")) else location
    suffix = PurePosixPath(path).suffix.lower().removeprefix(".")
    known = names("readers" if group == "readers" else "writers")
    if suffix not in known:
        what = f"The suffix .{suffix} of {shown(location)}" if suffix else f"{shown(location)} has no suffix and"
        message = Message.INPUT_FORMAT_UNKNOWN if group == "readers" else Message.OUTPUT_FORMAT_UNKNOWN
        raise UsageError(message, what=what, known=", ".join(known))
    return suffix


def content_hash(file: BinaryIO, format_: str) -> str:
    """What tells the table in ``file`` from others: its format and a digest of all its bytes."""
    file.seek(0)
    return f"{format_}:{hashlib.file_digest(cast('BufferedReader', file), 'sha256').hexdigest()}"


def _source(name: str, format_: str, file: BinaryIO, sha256: str | None = None) -> OpenSource:
    file.seek(0)  # which also writes out what is left in the buffer
    state = _state(file)
    return OpenSource(name, format_, file, f"{format_}:{sha256}" if sha256 else content_hash(file, format_), state)


def _state(file: IO[bytes]) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def guessed_format(file: BinaryIO) -> str:
    """The reader that the first bytes look made for: JSON Lines, or else CSV."""
    file.seek(0)
    return "jsonl" if file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "csv"
