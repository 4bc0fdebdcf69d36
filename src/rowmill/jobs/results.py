"""A job's rows as a table in some format, all as they stood at one moment, however long the reading takes."""

import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from rowmill.core.job import Job
from rowmill.core.transfer import ExportSpec
from rowmill.engine.transfer.pages import origin_pages
from rowmill.jobs.submit.exports import job_extract
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Layout, WriterFactory
from rowmill.plugins.registry import load

_PIECE = 1 << 18


class Table:
    """The rows of ``job`` that are ``only`` so, as they stand now, with all their columns. Raises ``UsageError`` for
    rows that a job of its type does not have, and for a format that nothing here writes."""

    def __init__(self, store: Store, job: Job, only: str | None, format_: str) -> None:
        self._store = store
        self._job = job
        self._factory: WriterFactory = load("writers", format_)
        self._extract: ExportSpec = job_extract(store, job, only, safe_cells=format_ == "xlsx")

    def pieces(self) -> Generator[bytes]:
        """The bytes of the table. A format that can be cut anywhere comes page by page, with empty pieces between
        where a page has no such row; any other comes from a file that is gone afterwards, with an empty piece for each
        page on its way there."""
        return self._cut() if self._factory.resumable else self._whole()

    def _cut(self) -> Generator[bytes]:
        buffer = BytesIO()
        writer = self._factory(buffer, self._layout())
        for _, lines in origin_pages(self._store, self._job, self._extract, 0):
            writer.write(lines)
            yield _taken(buffer)
        writer.close()
        yield _taken(buffer)

    def _whole(self) -> Generator[bytes]:
        with _scratch(self._store) as directory, tempfile.TemporaryFile(dir=directory) as opened:
            file = cast("BinaryIO", opened)
            writer = self._factory(file, self._layout(directory))
            for _, lines in origin_pages(self._store, self._job, self._extract, 0):
                writer.write(lines)
                yield b""
            writer.close()
            file.seek(0)
            while piece := file.read(_PIECE):
                yield piece

    def _layout(self, scratch: Path | None = None) -> Layout:
        return Layout([name for _, name in self._extract.columns], self._extract.safe_cells, scratch)


def _taken(buffer: BytesIO) -> bytes:
    """What has been written since the last time."""
    found = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return found


@contextmanager
def _scratch(store: Store) -> Iterator[Path]:
    """A directory on the store's disk: the machine's own for such things may be in memory."""
    store.files.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(dir=store.files, prefix="results."))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
