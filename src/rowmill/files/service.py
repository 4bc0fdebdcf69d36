"""Uploads and downloads: taken in whole or not at all, deleted, and what broken ones left behind."""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from rowmill.core.errors import DiskFull, NotFound, StoreError, UsageError
from rowmill.core.messages import Message
from rowmill.core.timestamps import utc
from rowmill.db.values import new_id
from rowmill.engine.transfer.exporter import sync_directory
from rowmill.ledger.files import OVER, StoredFile
from rowmill.ledger.store import Store
from rowmill.shapes.files import File
from rowmill.tables.source import guessed_format, open_path, suffix_format

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Upload:
    """A file on its way in, locked for as long as this process writes it: without a lock it is nobody's, and
    ``sweep_unfinished`` removes it. Its methods block; they raise ``DiskFull`` and ``StoreError``. Close it in any
    case."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._digest = hashlib.sha256()
        self.size = 0
        with _told():
            store.uploads.mkdir(parents=True, exist_ok=True)
            self._part, self._file = _new_part(store.uploads)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Appends ``data``."""
        with _told():
            self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def finish(self) -> None:
        """Nothing more comes: makes it survive a power cut."""
        with _told():
            self._file.flush()
            os.fsync(self._file.fileno())

    def keep(self, id_: str, name: str) -> StoredFile:
        """Puts it in its place, in one step, as the file ``id_``."""
        file = StoredFile(id_, name, self.size, self.sha256, self._store.clock())
        place = path_of(self._store, id_)
        with _told():
            self._part.replace(place)
            sync_directory(place.parent)
        try:
            self._store.stored_files.add(file)
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        return file

    def drop(self) -> None:
        """Removes it unless it was kept. Takes no time: its space is given back when it is closed."""
        self._part.unlink(missing_ok=True)

    def close(self) -> None:
        """Lets go of it, and removes it unless it was kept."""
        self.drop()
        with suppress(OSError):  # what the disk has no room for is of no use any more
            self._file.close()


def file_view(file: StoredFile) -> File:
    """An upload or a download as it is shown."""
    return File(file.id, file.name, file.size, file.sha256, file.job, utc(file.created_at))


def path_of(store: Store, id_: str) -> Path:
    """Where the content of a file lies once it is whole."""
    return store.uploads / id_


def upload_of(store: Store, id_: str) -> StoredFile:
    """The file that a job is to read from. Raises ``NotFound`` where there is none of this id, or it is not whole."""
    file = store.stored_files.get(id_)
    if file is None or file.size is None:
        raise NotFound(Message.FILE_UNKNOWN, file=id_)
    return file


def format_of(store: Store, file: StoredFile) -> str:
    """The reader for a file: by the suffix of its name, or else by its content."""
    try:
        return suffix_format(file.name, "readers")
    except UsageError:
        with open_path(str(path_of(store, file.id)), file.name) as content:
            return guessed_format(content)


def size_of_files(store: Store) -> int:
    """Bytes on disk of all uploads and downloads."""
    if not store.uploads.is_dir():
        return 0
    size = 0
    for path in store.uploads.iterdir():
        with suppress(FileNotFoundError):  # somebody may remove it at this moment
            size += path.stat().st_size
    return size


def delete_file(store: Store, file: StoredFile) -> None:
    """Removes a file. Raises ``Busy`` where an unfinished job needs it."""
    store.stored_files.drop(file.id)
    path_of(store, file.id).unlink(missing_ok=True)


def prune_files(store: Store, before: float) -> list[str]:
    """Removes uploads older than the moment ``before`` (Unix seconds) that no unfinished job needs; returns their
    ids."""
    gone = store.stored_files.drop_unused(before)
    for id_ in gone:
        path_of(store, id_).unlink(missing_ok=True)
    return gone


def sweep_unfinished(store: Store) -> None:
    """Removes what killed processes left of uploads and downloads, and what is no file any more."""
    if not store.uploads.is_dir():
        return
    for path in list(store.uploads.iterdir()):
        if not _is_needed(store, path.name):
            _remove(store, path)


def _is_needed(store: Store, name: str) -> bool:
    if name.startswith(".job_"):  # the part of an export
        job = store.browse.job_by_id(name.removeprefix(".").removesuffix(".part"))
        return job is not None and job.status not in OVER
    return store.stored_files.get(name) is not None


def _remove(store: Store, path: Path) -> None:
    """Removes ``path`` unless a living process is writing it, or has just put it in its place."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_needed(store, path.name):
                path.unlink(missing_ok=True)
    except (FileNotFoundError, BlockingIOError):
        return


def _new_part(directory: Path) -> tuple[Path, BinaryIO]:
    while True:
        path = directory / f".{new_id('file')}.part"
        file = path.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()  # swept before it was locked


@contextmanager
def _told() -> Iterator[None]:
    """Turns what the file system says into our own."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull("The disk of the server is full.", "Make room there, then upload the file again.") from error
        raise StoreError(f"The upload cannot be stored: {error.strerror}.", "Check the server's disk.") from error
