"""Takes a file into the store: recognised by its content, read as a stream, whole or not at all."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import IO, BinaryIO, cast

import orjson

from rowmill.model.errors import InputError, UsageError
from rowmill.model.job import Dataset
from rowmill.plugins.contracts import Reader, ReaderFactory
from rowmill.plugins.registry import load, names
from rowmill.store.store import Store

_BATCH = 5000
Reading = Callable[[int], None]
"""Told how many rows are in the store, before the first one and after each batch; it may raise to stop the reading."""


@dataclass(slots=True)
class Source:
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
def open_source(path: str, format_: str | None = None) -> Iterator[Source]:
    """Opens ``path`` (``-``: stdin, which is put aside on disk first). Raises ``InputError`` and ``UsageError``."""
    if path == "-":
        if sys.stdin is None:
            raise InputError("Standard input is closed.", "Give a file, or pipe the table in.")
        with tempfile.TemporaryFile() as file:
            while block := sys.stdin.buffer.read(1 << 20):
                file.write(block)
            yield _source("stdin", format_ or _guess(file), file)
        return
    format_ = format_ or suffix_format(path, "readers")
    try:
        opened = Path(path).open("rb")  # noqa: SIM115 - closed below; only opening is guarded
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    with opened:
        if not Path(path).is_file():
            raise InputError(f"{path} is not a regular file.", "Give a file, or - for stdin.")
        yield _source(path, format_, opened)


def suffix_format(path: str, group: str) -> str:
    """The reader or writer that goes with the suffix of ``path``. Raises ``UsageError`` for an unknown one."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    known = names("readers" if group == "readers" else "writers")
    if suffix not in known:
        what = f"The suffix .{suffix} of {path}" if suffix else f"{path} has no suffix and"
        option = "--input-format" if group == "readers" else "--format"
        raise UsageError(f"{what} names no table format.", f"Known are {', '.join(known)}; or say which by {option}.")
    return suffix


def take_in(store: Store, engine: str, source: Source, reader: Reader, tell: Reading) -> Dataset:
    """The dataset with this content: the one that is there, or a new one. Raises ``InputError``; nothing is kept then.

    A new one stays bound to ``engine`` until a job takes it.
    """
    if known := store.datasets.find(source.content_hash):
        return known
    tell(0)
    store.purge()
    dataset = store.datasets.begin(Path(source.name).name, engine, store.clock())
    try:
        rows = 0
        values = reader.rows()
        while batch := [orjson.dumps(row).decode() for row in islice(values, _BATCH)]:
            store.datasets.add(dataset, rows + 1, batch)
            rows += len(batch)
            tell(rows)
        source.check_unchanged()
        if rows == 0:
            raise InputError(f"{source.name} has a header and no rows.", "Give a file with at least one row.")
        store.datasets.seal(dataset, reader.columns, rows, source.content_hash)
    except BaseException:
        put_back(store, dataset)
        raise
    return store.datasets.get(dataset)


def put_back(store: Store, dataset: int) -> None:
    """Undoes ``take_in`` where no job has taken the dataset."""
    store.datasets.drop(dataset)
    store.purge()


def _source(name: str, format_: str, file: BinaryIO) -> Source:
    file.seek(0)  # which also writes out what stdin left in the buffer
    state = _state(file)
    digest = hashlib.file_digest(cast("BufferedReader", file), "sha256").hexdigest()
    return Source(name, format_, file, f"{format_}:{digest}", state)


def _state(file: IO[bytes]) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _guess(file: BinaryIO) -> str:
    file.seek(0)
    return "jsonl" if file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "csv"
