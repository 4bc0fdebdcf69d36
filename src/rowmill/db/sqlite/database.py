"""The SQLite database: one file, any number of processes on one machine.

Three rules, all measured before they were made:

* Every write transaction, checkpoint and close happens under one inter-process ``flock``. SQLite's own busy handler
  polls, so that one writer with back-to-back commits starves the others for seconds; ``flock`` wakes them at once. It
  also keeps clear of the WAL-reset bug of SQLite before 3.51.3, which needs a writer beside a checkpoint.
* ``synchronous=FULL``: what was reported as saved survives a power cut.
* No automatic checkpoints; ``maintain`` does them between commits once the log has grown.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from itertools import chain, islice
from pathlib import Path
from typing import Any

from rowmill.core.errors import StoreError
from rowmill.db.database import DbRow
from rowmill.db.sqlite.flock import no_lock, open_to_lock

LOCK_TIMEOUT = 15.0
"""Seconds to wait for the write lock before giving up: longer than any transaction takes."""

CHECKPOINT_BYTES = 16 << 20
_SHRINK_PAGES = 2000
_LINES_AT_ONCE = 500
_NONE = 0
_PRAGMAS = (
    # First: it is taken only by a file that is still empty.
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA busy_timeout = 15000",
    "PRAGMA cache_size = -16000",
    "PRAGMA temp_store = MEMORY",
)


class SQLiteTransaction:
    """Statements inside one write transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, params: Sequence[Any] = ()) -> list[DbRow]:
        return self._connection.execute(sql, params).fetchall()

    def change(self, sql: str, params: Sequence[Any] = ()) -> int:
        return self._connection.execute(sql, params).rowcount

    def insert(self, into: str, lines: Iterable[Sequence[Any]], conflict: str = "") -> None:
        following = iter(lines)
        while some := list(islice(following, _LINES_AT_ONCE)):
            marks = f"({', '.join('?' * len(some[0]))})"
            sql = f"{into} VALUES {', '.join([marks] * len(some))} {conflict}"
            self._connection.execute(sql, list(chain.from_iterable(some)))

    def executemany(self, sql: str, params: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(sql, params)

    def migrate(self, script: str, version: int) -> None:
        """Runs the statements of ``script``, each of which ends at the end of a line, and records ``version``."""
        statement = ""
        for line in script.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                self._connection.execute(statement)
                statement = ""
        self._connection.execute(statement)  # the last one, if it has no semicolon
        self._connection.execute(f"PRAGMA user_version = {version:d}")


class SQLiteDatabase:
    """The file ``rowmill.db`` below ``home``; lock files lie beside it. Safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        self.location = str(home)
        self._path = home / "rowmill.db"
        self._engines = home / "engines"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)  # rows, answers and the secret key are nobody else's
        self._engines.mkdir(exist_ok=True)
        self._lock = WriteLock(home / "rowmill.lock")
        self._presences: dict[str, FileIO] = {}
        self._read_mutex = threading.Lock()
        self._checkpoint_at = CHECKPOINT_BYTES
        with self._lock, _mapped():
            # Switching to WAL is a write, and closing the last connection a checkpoint.
            self._writer = self._connect()
            self._reader = self._connect()

    @contextmanager
    def transaction(self) -> Iterator[SQLiteTransaction]:
        with self._lock, _mapped():
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield SQLiteTransaction(self._writer)
                self._writer.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    exclusive = transaction  # as every write transaction of SQLite is

    def read(self, sql: str, params: Sequence[Any] = ()) -> list[DbRow]:
        with self._read_mutex, _mapped():
            return self._reader.execute(sql, params).fetchall()

    def data_version(self) -> int:
        # It tells of what other connections have committed, and this one never writes.
        return int(self.read("PRAGMA data_version")[0][0])

    def register(self, engine: str) -> None:
        path = self._engines / f"{engine}.lock"
        while True:
            file = open_to_lock(path)
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                break
            file.close()  # taken for that of a dead engine, and removed, before it was locked
        self._presences[engine] = file

    def deregister(self, engine: str) -> None:
        file = self._presences.pop(engine, None)
        if file is not None:
            (self._engines / f"{engine}.lock").unlink(missing_ok=True)
            file.close()

    def alive(self, engine: str) -> bool:
        path = self._engines / f"{engine}.lock"
        try:
            with path.open("rb") as file:
                # Shared, so that two who ask at once do not take each other for the engine.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_nlink:  # while it is locked: nobody appears with it meanwhile
                    path.unlink(missing_ok=True)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        except OSError as error:
            raise no_lock(error) from error
        return False

    def maintain(self) -> None:
        try:
            size = self._path.with_name("rowmill.db-wal").stat().st_size
        except FileNotFoundError:
            return
        if size >= self._checkpoint_at:
            self._checkpoint_at = CHECKPOINT_BYTES + (0 if self._checkpoint() else size)

    def size(self) -> int:
        return sum(
            path.stat().st_size for path in (self._path, self._path.with_name("rowmill.db-wal")) if path.exists()
        )

    def shrink(self) -> None:
        if self.read("PRAGMA auto_vacuum")[0][0] == _NONE:
            self._rebuild()
            return
        while free := self.read("PRAGMA freelist_count")[0][0]:
            with self._lock, _mapped():
                # Every step of the statement frees one page, so it is run to its end.
                self._writer.execute(f"PRAGMA incremental_vacuum({_SHRINK_PAGES})").fetchall()
            self.maintain()
            if self.read("PRAGMA freelist_count")[0][0] >= free:
                break
        self._checkpoint()

    def version(self) -> int:
        """The number of the last migration that this store has run, 0 if it is empty. Raises ``StoreError``."""
        version = int(self.read("PRAGMA user_version")[0][0])
        if not version and self.read("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"):
            raise StoreError(
                f"The store in {self.location} was made by an unreleased development version of Rowmill.",
                "Move it away, or set ROWMILL_HOME to another directory.",
            )
        return version

    def check(self) -> str | None:
        """What SQLite finds wrong with the file; ``None`` where it is sound."""
        found = [str(line[0]) for line in self.read("PRAGMA quick_check(5)")]
        return None if found == ["ok"] else "; ".join(found)

    def in_use(self) -> bool:
        """Whether an engine of any process lives."""
        return any(self.alive(path.stem) for path in self._engines.glob("*.lock"))

    def close(self) -> None:
        for engine in list(self._presences):
            self.deregister(engine)
        # A thread of a job that has just lost its claim may still read: closing under it would crash the process.
        with self._lock, self._read_mutex, _mapped():
            self._reader.close()
            self._writer.close()
        self._lock.close()

    def _checkpoint(self) -> bool:
        """Moves the log into the database file; ``False`` where a reader was in the way, which is not waited for."""
        with self._lock, _mapped():
            self._writer.execute("PRAGMA busy_timeout = 20")
            busy = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self._writer.execute("PRAGMA busy_timeout = 15000")
        return not busy

    def _rebuild(self) -> None:
        """A store that was made without it learns to give space back; this takes the whole file, once."""
        if self.in_use():
            return
        with self._lock, _mapped():
            self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._writer.execute("VACUUM")
        self._checkpoint()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=256)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        return connection


class WriteLock:
    """A lock between processes (``flock``) and between the threads of this one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open_to_lock(path)
        self._mutex = threading.Lock()

    def __enter__(self) -> None:
        if not self._mutex.acquire(timeout=LOCK_TIMEOUT):
            raise _locked()
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._wait()
        except BaseException:
            self._mutex.release()
            raise

    def __exit__(self, *exc: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._mutex.release()

    def close(self) -> None:
        self._file.close()

    def _wait(self) -> None:
        """Blocks in ``flock``, in a thread: a blocking ``flock`` knows no timeout, and polling would starve.

        The thread locks a file of its own, which takes the place of ours, so that one which comes too late releases
        nothing but itself.
        """
        file = open_to_lock(self._path)
        decided = threading.Lock()
        locked, late = threading.Event(), threading.Event()

        def block() -> None:
            fcntl.flock(file, fcntl.LOCK_EX)
            with decided:
                locked.set()
                if late.is_set():
                    file.close()

        threading.Thread(target=block, daemon=True).start()
        locked.wait(LOCK_TIMEOUT)
        with decided:
            if not locked.is_set():
                late.set()
                raise _locked()
        self._file.close()
        self._file = file


def _locked() -> StoreError:
    return StoreError(
        f"Another process has held the store's write lock for {LOCK_TIMEOUT:.0f} seconds.",
        "Look for a stopped rowmill process (its state is T in ps) and continue or end it.",
    )


@contextmanager
def _mapped() -> Iterator[None]:
    """Turns the driver's errors into ``StoreError``."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if "full" in str(error) or "disk I/O" in str(error):
            hint = "Free space on the disk of ROWMILL_HOME, then resume the job or run the command again."
        else:
            hint = "Run `rowmill doctor`."
        raise StoreError(f"The store could not be read or written: {error}.", hint) from error
