"""Moves rows into a file: written beside its final place, safe on disk before they count, put in place in one step.

A format that can be gone on with is cut back to what is known to be safe; any other is begun anew.
"""

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from rowmill.core.commit import Claim, ControlState
from rowmill.core.errors import UsageError
from rowmill.core.job import Job, Output
from rowmill.core.messages import Message
from rowmill.core.transfer import ExportBatch, Position
from rowmill.engine.transfer.pages import Page, origin_pages, record_pages
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Layout, Writer, WriterFactory
from rowmill.plugins.registry import load
from rowmill.tables.source import is_url, place_of, shown

_COMMIT_PAGES = 4
_PIECE = 1 << 20
_COMMIT_AFTER = 0.2
"""Seconds after which what has been written is committed: between two commits nobody can pause the job."""


class Exporter:
    trouble = "output"

    def __init__(self, store: Store, claim: Claim, job: Job, watch: Callable[[int], None]) -> None:
        assert job.output is not None
        assert job.extract is not None
        self._store = store
        self._claim = claim
        self._job = job
        self._output = job.output
        self._extract = job.extract
        self._watch = watch
        self._part = part_of(store, job)
        self._scratch = store.files / f"{job.id}.scratch"
        self._factory: WriterFactory = load("writers", job.output.format)
        self._file: BinaryIO | None = None
        self._writer: Writer | None = None
        self.done = False

    def open(self) -> None:
        """Opens the file behind what is safely in it. Raises ``UsageError``."""
        self.close()
        self._job = self._store.browse.job(self._job.pk)
        if file_fingerprint(self._part) == self._job.delivered is not None or self._is_in_place():
            return  # it is whole and only has to be put in place
        self._part.parent.mkdir(parents=True, exist_ok=True)
        position = self._job.position
        resumed = self._factory.resumable and position.offset > 0 and _size(self._part) >= position.offset
        if not resumed:
            position = Position()
            self._store.transfers.rewind(self._claim)
        self._file = self._part.open("r+b" if resumed else "w+b")
        self._file.truncate(position.offset)
        self._file.seek(position.offset)
        self._done = self._store.browse.job(self._job.pk).counts.processed
        self._after = position.after
        self._pages = self._read()
        names = [name for _, name in self._extract.columns]
        self._scratch.mkdir(parents=True, exist_ok=True)
        layout = Layout(names, self._extract.safe_cells, self._scratch, resumed)
        self._writer = self._factory(self._file, layout)

    def step(self) -> ControlState | None:
        """Writes and commits the next rows; after the last one puts the file in place."""
        if self._writer is None:
            self._put_in_place()
            self.done = True
            return None
        self._watch(0)
        assert self._file is not None
        written = 0
        commit_at = time.monotonic() + _COMMIT_AFTER
        for after, lines in islice(self._pages, _COMMIT_PAGES):
            self._after = after
            self._writer.write(lines)
            written += len(lines)
            if time.monotonic() > commit_at:
                break
        if not written:
            if self._done == self._job.counts.total:
                self._finish_file()
            return self._store.ledger.poll_control(self._claim)
        _sync(self._file)
        lo, self._done = self._done + 1, self._done + written
        position = Position(after=self._after, offset=self._file.tell())
        return self._store.transfers.commit_export_batch(self._claim, ExportBatch(lo, self._done, position))

    def close(self) -> None:
        if self._file:
            self._file.close()
        self._file = self._writer = None
        shutil.rmtree(self._scratch, ignore_errors=True)

    def discard(self) -> None:
        self.close()
        self._part.unlink(missing_ok=True)

    def _read(self) -> Iterator[Page]:
        extract = self._extract
        if extract.origin is None:
            return record_pages(self._store, self._job, extract, self._after)
        return origin_pages(self._store, self._store.browse.job(extract.origin), extract, self._after)

    def _finish_file(self) -> None:
        assert self._writer is not None
        assert self._file is not None
        self._writer.close()
        _sync(self._file)
        self.close()
        self._store.control.delivered(self._job.pk, file_fingerprint(self._part) or "")

    def _put_in_place(self) -> None:
        if self._is_in_place():
            self._part.unlink(missing_ok=True)
        else:
            self._deliver()
        if self._job.file is not None:
            self._note_download(self._job.file)

    def _note_download(self, id_: str) -> None:
        """Makes known that the download is whole."""
        with Path(self._output.path).open("rb") as file:
            digest = hashlib.sha256()
            while piece := file.read(_PIECE):
                digest.update(piece)
                self._watch(0)
            self._store.stored_files.whole(id_, file.tell(), digest.hexdigest())

    def _deliver(self) -> None:
        target = self._output.path
        if target == "-":
            return  # whoever runs the job prints it
        if is_url(target):
            # Not asked again whether something is there: it may be what this job had put when it was killed.
            place_of(target).put(self._part, target, self._watch)
            self._store.control.delivered(self._job.pk, target)
            self._part.unlink(missing_ok=True)
        else:
            put_in_place(self._part, self._output)

    def _is_in_place(self) -> bool:
        """Whether an earlier execution has put the file in place, and only did not live to say so."""
        if self._job.delivered is None or self._output.path == "-":
            return False
        if is_url(self._output.path):
            return self._store.browse.job(self._job.pk).delivered == self._output.path
        return file_fingerprint(Path(self._output.path)) == self._store.browse.job(self._job.pk).delivered


def part_of(store: Store, job: Job) -> Path:
    """Where the file is written before it is put in place."""
    assert job.output is not None
    if job.output.path == "-" or is_url(job.output.path):
        return store.files / job.id
    return beside(Path(job.output.path), job.id)


def beside(place: Path, name: str) -> Path:
    """A hidden file in the directory of ``place``: renaming it is one step."""
    return place.with_name(f".{name}.part")


def put_in_place(part: Path, output: Output) -> None:
    """Renames ``part`` to the output's path, durably. Raises ``UsageError`` where a file is there that may not be
    replaced."""
    place = Path(output.path)
    if output.overwrite:
        if place.exists():
            part.chmod(stat.S_IMODE(place.stat().st_mode))  # what was private stays so
        part.replace(place)
    else:
        try:
            os.link(part, place)  # unlike a rename this never replaces a file
        except FileExistsError:
            raise _occupied(output) from None
        except OSError:  # a file system without hard links
            if place.exists():
                raise _occupied(output) from None
            part.replace(place)
        part.unlink(missing_ok=True)
    sync_directory(place.parent)


def file_fingerprint(path: Path) -> str | None:
    """What tells this very file from another: it stays the same when the file is renamed."""
    try:
        status = path.stat()
    except OSError:
        return None
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def _occupied(output: Output) -> UsageError:
    return UsageError(Message.OUTPUT_APPEARED, path=shown(output.path))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Makes the rename itself survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
