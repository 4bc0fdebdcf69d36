"""Uploads and downloads: what is known of each. Their content lies in ``Store.uploads``, under their ids."""

from dataclasses import dataclass

from rowmill.core.errors import Busy, NotFound
from rowmill.core.job import JobDraft
from rowmill.core.messages import Message
from rowmill.core.status import JobStatus, JobType
from rowmill.db.database import Database, Transaction
from rowmill.db.values import placeholders
from rowmill.tables.filenames import download_name

OVER = (JobStatus.COMPLETED, JobStatus.CANCELLED)
"""What a job is once it needs its file no longer: a failed one may go on."""

_FILE = """
SELECT f.id, f.name, f.size, f.sha256, f.created_at,
       (SELECT j.id FROM jobs j WHERE j.file = f.id AND j.type = 'export') FROM files f
"""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """``size`` is in bytes; it and ``sha256`` (in hex) are ``None`` for a download that is not whole yet. ``job`` is
    the id of the export that makes it, ``None`` for an upload; ``created_at`` is Unix seconds."""

    id: str
    name: str
    size: int | None
    sha256: str | None
    created_at: float
    job: str | None = None


class StoredFiles:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, file: StoredFile) -> None:
        """Makes an upload known whose content is in its place."""
        with self._database.transaction() as tx:
            tx.execute(
                "INSERT INTO files (id, name, size, sha256, created_at) VALUES (?, ?, ?, ?, ?)",
                (file.id, file.name, file.size, file.sha256, file.created_at),
            )

    def get(self, id_: str) -> StoredFile | None:
        lines = self._database.read(f"{_FILE} WHERE f.id = ?", (id_,))
        return StoredFile(*lines[0]) if lines else None

    def page(self, before: float, below: str, limit: int) -> list[StoredFile]:
        """Files, newest first, made before a moment, or at it with an id below that one."""
        lines = self._database.read(
            f"""{_FILE} WHERE f.created_at < ? OR (f.created_at = ? AND f.id < ?)
                ORDER BY f.created_at DESC, f.id DESC LIMIT ?""",
            (before, before, below, limit),
        )
        return [StoredFile(*line) for line in lines]

    def whole(self, id_: str, size: int, sha256: str) -> None:
        """The content of a download is in its place."""
        with self._database.transaction() as tx:
            tx.execute("UPDATE files SET size = ?, sha256 = ? WHERE id = ?", (size, sha256, id_))

    def drop(self, id_: str) -> None:
        """Forgets a file, whose content is the caller's to remove. Raises ``Busy`` where an unfinished job needs it,
        and ``NotFound``."""
        with self._database.transaction() as tx:
            needing = _needing(tx, id_)
            if needing:
                raise Busy(f"{needing[0]}, which has not ended, needs the file.", "Let it end, or cancel it first.")
            if not tx.change("DELETE FROM files WHERE id = ?", (id_,)):
                raise NotFound(Message.FILE_UNKNOWN, file=id_)

    def drop_unused(self, before: float) -> list[str]:
        """Forgets the uploads older than a moment that no job, or only jobs that are over, have read from; returns
        their ids. Downloads go with their jobs."""
        with self._database.transaction() as tx:
            lines = tx.execute(
                f"""DELETE FROM files WHERE created_at < ? AND NOT EXISTS
                    (SELECT 1 FROM jobs j WHERE j.file = files.id
                     AND (j.type = 'export' OR j.status NOT IN ({placeholders(len(OVER))}))) RETURNING id""",  # noqa: S608
                (before, *OVER),
            )
        return [id_ for (id_,) in lines]


def attach(tx: Transaction, draft: JobDraft, now: float) -> None:
    """Makes the download known that the new export will make. Raises ``NotFound`` where the upload that another job is
    to read from is not there any more."""
    if draft.file is None:
        return
    if draft.type is JobType.EXPORT:
        assert draft.output is not None
        name = download_name(draft.name, draft.output.format)
        tx.execute("INSERT INTO files (id, name, created_at) VALUES (?, ?, ?)", (draft.file, name, now))
    elif not tx.execute("SELECT 1 FROM files WHERE id = ? AND size IS NOT NULL", (draft.file,)):
        raise NotFound(Message.FILE_UNKNOWN, file=draft.file)


def drop_downloads(tx: Transaction, column: str, value: int) -> None:
    """Forgets the downloads of the jobs whose ``column`` (``pk`` or ``dataset``) is ``value``, which are cancelled or
    about to be deleted."""
    tx.execute(
        f"DELETE FROM files WHERE id IN (SELECT file FROM jobs WHERE {column} = ? AND type = 'export')",  # noqa: S608
        (value,),
    )


def _needing(tx: Transaction, id_: str) -> list[str]:
    sql = f"SELECT id FROM jobs WHERE file = ? AND status NOT IN ({placeholders(len(OVER))}) ORDER BY pk LIMIT 1"  # noqa: S608
    return [job for (job,) in tx.execute(sql, (id_, *OVER))]
