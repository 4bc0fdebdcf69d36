"""Writes an enrichment's rows to its output file once they are done: whole, in input order, put in place at once."""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from rowmill.core.errors import UsageError
from rowmill.core.job import Job, Output
from rowmill.core.messages import Message
from rowmill.core.status import JobType
from rowmill.core.transfer import ExportSpec
from rowmill.engine.transfer.exporter import beside, file_fingerprint, part_of, put_in_place
from rowmill.engine.transfer.pages import ERROR_COLUMN, STATUS_COLUMN, origin_pages
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Layout, WriterFactory
from rowmill.plugins.registry import load, names
from rowmill.tables.source import check_name, is_url, place_of, suffix_format


def check_output(path: str, format_: str | None, default_format: str, *, overwrite: bool) -> Output:
    """The output that ``path`` means. Raises ``UsageError`` where nothing could be written there."""
    known = names("writers")
    if path == "-":
        format_ = format_ or (default_format if default_format in known else "csv")
    else:
        format_ = format_ or suffix_format(path, "writers")
    if format_ not in known:
        raise UsageError(f"{format_!r} is not a format that can be written.", f"Known: {', '.join(known)}.")
    load("writers", format_)  # which says what is to be installed for it
    if path == "-" or is_url(path):
        if path != "-":
            place_of(path)
        return Output(path, format_, overwrite)
    check_name(path)
    place = Path(os.path.realpath(path) if Path(path).is_symlink() else os.path.abspath(path))  # noqa: PTH100 - see above
    if place.exists() and not place.is_file() and not place.is_dir():
        raise UsageError(f"{path} is not a regular file.", "Give a file, or - for stdout.")
    if not place.parent.is_dir():
        raise UsageError(f"There is no directory {place.parent}.", "Create it, or choose another output.")
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
            raise UsageError(Message.COLUMN_EXISTS, column=name)
    return [name for name in inputs if name not in added] + added


def occupied(output: Output) -> bool:
    """Whether a file is where ``output`` goes that may not be replaced."""
    if output.path == "-" or output.overwrite:
        return False
    return place_of(output.path).exists(output.path) if is_url(output.path) else Path(output.path).exists()


def check_free(output: Output | None) -> None:
    """Raises ``UsageError`` where a file is where ``output`` goes that may not be replaced."""
    if output and occupied(output):
        raise UsageError(Message.OUTPUT_EXISTS, path=output.path)


def deliver(store: Store, job: Job, *, overwrite: bool = False) -> None:
    """Writes the job's output file if it has one. Raises ``UsageError`` where another file has taken its place, unless
    ``overwrite`` allows that; a permission given when the job was made is used up by the first time."""
    if job.output is None:
        return
    if job.type is JobType.EXPORT:
        _print(store, job)
        return
    allowed = overwrite or (job.output.overwrite and job.delivered is None)
    if job.output.path == "-":
        _write(store, job, sys.stdout.buffer)
        return
    if is_url(job.output.path):
        _upload(store, job)
        return
    if not allowed and foreign(job):
        raise UsageError(Message.OUTPUT_FOREIGN, path=job.output.path, job=job.id)
    _put(store, job)


def undelivered(store: Store, job: Job) -> bool:
    """Whether the job's output file is not there, or no longer as the job wrote it; of an export to stdout, whether it
    could not be printed."""
    if job.output is None:
        return False
    if job.type is JobType.EXPORT:
        return job.output.path == "-" and part_of(store, job).exists()
    if job.output.path == "-":
        return False
    if is_url(job.output.path):
        return job.delivered is None
    return job.delivered is None or file_fingerprint(Path(job.output.path)) != job.delivered


def foreign(job: Job) -> bool:
    """Whether a file that the job did not write is where its output belongs."""
    assert job.output is not None
    present = file_fingerprint(Path(job.output.path))
    return present is not None and present != job.delivered


def _print(store: Store, job: Job) -> None:
    """Writes what an export to stdout has put aside there."""
    assert job.output is not None
    part = part_of(store, job)
    if job.output.path != "-" or not part.exists():
        return
    try:
        with part.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads it has seen enough
        part.unlink()
        raise
    except OSError as error:
        raise UsageError(Message.STDOUT_FAILED, error=str(error.strerror), job=job.id) from error
    part.unlink()


def _put(store: Store, job: Job) -> None:
    assert job.output is not None
    place = Path(job.output.path)
    part = beside(place, job.id)
    try:
        with part.open("w+b") as file:
            _write(store, job, file)
            os.fsync(file.fileno())
        store.control.delivered(job.pk, file_fingerprint(part) or "")
        put_in_place(part, replace(job.output, overwrite=True))
    except OSError as error:
        raise UsageError(Message.OUTPUT_UNWRITABLE, path=str(place), error=str(error.strerror), job=job.id) from error
    finally:
        part.unlink(missing_ok=True)


def _upload(store: Store, job: Job) -> None:
    assert job.output is not None
    store.files.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=store.files, prefix=f"{job.id}.") as file:
        _write(store, job, file)  # type: ignore[arg-type]
        place_of(job.output.path).put(Path(file.name), job.output.path, lambda size: None)
    store.control.delivered(job.pk, job.output.path)


def _write(store: Store, job: Job, file: BinaryIO) -> None:
    """Writes all rows as they stand at this moment."""
    assert job.output is not None
    columns = columns_of(store.datasets.get(job.dataset).columns, job.columns, overwrite=True)
    extract = ExportSpec([(name, name) for name in columns], job.pk, job.id, job.seq)
    factory: WriterFactory = load("writers", job.output.format)
    store.files.mkdir(parents=True, exist_ok=True)
    writer = factory(file, Layout(columns, safe_cells=job.output.format == "xlsx", scratch=store.files))
    for _, lines in origin_pages(store, job, extract, 0):
        writer.write(lines)
    writer.close()
    file.flush()
