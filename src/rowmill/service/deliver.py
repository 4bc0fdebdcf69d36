"""Writes a job's rows to a file: whole, in input order, put in place in one step."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from rowmill.model.errors import UsageError
from rowmill.model.job import Job, Output, Row
from rowmill.model.status import RowStatus
from rowmill.plugins.contracts import WriterFactory
from rowmill.plugins.registry import load, names
from rowmill.service.source import suffix_format
from rowmill.store.store import Store

STATUS_COLUMN = "_status"
ERROR_COLUMN = "_error"
_PAGE = 1000


def check_output(path: str, format_: str | None, default_format: str, *, overwrite: bool) -> Output:
    """The output that ``path`` means. Raises ``UsageError`` where nothing could be written there."""
    if path == "-":
        return Output("-", format_ or default_format)
    place = Path(path).absolute()
    format_ = format_ or suffix_format(path, "writers")
    if format_ not in names("writers"):
        raise UsageError(f"{format_!r} is no format that can be written.", f"Known: {', '.join(names('writers'))}.")
    if not place.parent.is_dir():
        raise UsageError(f"{place.parent} is no directory.", "Make it, or choose another output.")
    if place.is_dir():
        raise UsageError(f"{place} is a directory.", "Give a file in it.")
    try:
        tempfile.TemporaryFile(dir=place.parent).close()
    except OSError as error:
        raise UsageError(f"{place.parent} cannot be written to: {error.strerror}.", "Choose another output.") from error
    return Output(str(place), format_, overwrite)


def columns_of(inputs: Sequence[str], outputs: Sequence[str], *, overwrite: bool) -> list[str]:
    """The columns of the file: inputs, outputs, status and error. Raises ``UsageError`` where two clash."""
    for name in (STATUS_COLUMN, ERROR_COLUMN):
        if name in outputs:
            raise UsageError(f"{name!r} is a column of every output.", "Give the output column another name.")
    added = [*outputs, STATUS_COLUMN, ERROR_COLUMN]
    for name in added:
        if name in inputs and not overwrite:
            hint = "Give the output column another name, or add --overwrite to replace it in the output."
            raise UsageError(f"The input already has a column {name!r}.", hint)
    return [name for name in inputs if name not in added] + added


def occupied(output: Output) -> bool:
    """Whether a file is where ``output`` goes that may not be replaced."""
    return output.path != "-" and not output.overwrite and Path(output.path).exists()


def deliver(store: Store, job: Job, *, overwrite: bool = False) -> None:
    """Writes the job's output file if it has one. Raises ``UsageError`` where another file has taken its place, unless
    ``overwrite`` allows that; a permission given when the job was made is used up by the first time."""
    if job.output is None:
        return
    allowed = overwrite or (job.output.overwrite and job.delivered is None)
    if job.output.path != "-" and not allowed and foreign(job):
        hint = f"Write the results elsewhere: rowmill export {job.id} -o FILE"
        raise UsageError(f"{job.output.path} is not the file that this job wrote.", hint)
    write(store, job, job.output, note=True)


def undelivered(job: Job) -> bool:
    """Whether the job's output file is not there, or no longer as the job wrote it."""
    if job.output is None or job.output.path == "-":
        return False
    return job.delivered is None or _stamp(Path(job.output.path)) != job.delivered


def foreign(job: Job) -> bool:
    """Whether a file that the job did not write is where its output belongs."""
    assert job.output is not None
    present = _stamp(Path(job.output.path))
    return present is not None and present != job.delivered


def write(store: Store, job: Job, output: Output, only: RowStatus | None = None, *, note: bool = False) -> int:
    """Writes the rows that are ``only`` so (all: ``None``) as they stand at this moment; returns how many.

    With ``note`` the store remembers the file as this job's own.
    """
    dataset = store.datasets.get(job.dataset)
    columns = columns_of(dataset.columns, job.columns, overwrite=True)
    lines = (_line(row, dataset.columns, columns) for row in _rows(store, job, only))
    factory: WriterFactory = load("writers", output.format)
    if output.path == "-":
        return _write_lines(factory, sys.stdout.buffer, columns, lines)
    place = Path(output.path)
    part = place.with_name(f".{place.name}.{job.id}.part")
    try:
        with part.open("wb") as file:
            written = _write_lines(factory, file, columns, lines)
            file.flush()
            os.fsync(file.fileno())
        if note:
            store.control.delivered(job.pk, _stamp(part) or "")
        part.replace(place)
    except OSError as error:
        hint = f"The rows are saved; write them elsewhere: rowmill export {job.id} -o FILE"
        raise UsageError(f"{place} cannot be written: {error.strerror}.", hint) from error
    finally:
        part.unlink(missing_ok=True)
    _sync_directory(place.parent)
    return written


def _write_lines(factory: WriterFactory, file: BinaryIO, columns: list[str], lines: Iterator[list[Any]]) -> int:
    writer = factory(file, columns)
    written = 0
    while page := list(islice(lines, _PAGE)):
        writer.write(page)
        written += len(page)
    writer.close()
    file.flush()
    return written


def _rows(store: Store, job: Job, only: RowStatus | None) -> Iterator[Row]:
    total = job.counts.total or 0
    for lo in range(1, total + 1, _PAGE):
        rows = store.browse.rows(job.pk, lo, min(lo + _PAGE - 1, total), job.seq)
        unprocessed = only is RowStatus.PENDING
        yield from (
            r for r in rows if only is None or r.status is only or (unprocessed and r.status is RowStatus.RUNNING)
        )


def _line(row: Row, inputs: list[str], columns: list[str]) -> list[Any]:
    values = dict(zip(inputs, row.values, strict=False)) | (row.output or {})
    values[STATUS_COLUMN] = row.status.value
    values[ERROR_COLUMN] = f"{row.code}: {row.message}" if row.code else None
    return [values.get(column) for column in columns]


def _stamp(path: Path) -> str | None:
    """What tells this very file from another: it stays the same when the file is renamed."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def _sync_directory(directory: Path) -> None:
    """Makes the rename itself survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
