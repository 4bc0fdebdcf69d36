"""The SQLite database: one file, any number of processes on one machine.

Three rules, all measured before they were made:

* Every write transaction, checkpoint and close happens under one inter-process ``flock``. SQLite's own busy handler
  polls, so that one writer with back-to-back commits starves the others for seconds; ``flock`` wakes them at once. It
  also keeps clear of the WAL-reset bug of SQLite before 3.51.3, which needs a writer beside a checkpoint.
* ``synchronous=FULL``: what was reported as saved survives a power cut.
* No automatic checkpoints; ``SQLiteMaintenance.maintain`` does them between commits once the log has grown.
"""

import fcntl
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from rowmill.core.errors import StoreError
from rowmill.db.database import DbRow
from rowmill.db.sqlite.flock import open_to_lock

LOCK_TIMEOUT = 15.0
"""Seconds to wait for the write lock before giving up: longer than any transaction takes."""

_LINES_AT_ONCE = 500
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
    """Statements inside one write transaction, which is alone."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def lock(self, table: str, pk: int) -> None:
        pass

    def serialize(self, name: str) -> None:
        pass

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
    """The file ``rowmill.db`` below ``home``. Safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        self.location = str(home)
        self.path = home / "rowmill.db"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)  # rows, answers and the secret key are nobody else's
        self._lock = WriteLock(home / "rowmill.lock")
        self._read_mutex = threading.Lock()
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

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """The connection that writes, alone and outside a transaction."""
        with self._lock, _mapped():
            yield self._writer

    def read(self, sql: str, params: Sequence[Any] = ()) -> list[DbRow]:
        with self._read_mutex, _mapped():
            return self._reader.execute(sql, params).fetchall()

    def data_version(self) -> int:
        # It changes with the commits of other connections, and the reading one never writes.
        return int(self.read("PRAGMA data_version")[0][0])

    def version(self) -> int:
        """The number of the last migration that this store has run, 0 if it is empty. Raises ``StoreError``."""
        version = int(self.read("PRAGMA user_version")[0][0])
        if not version and self.read("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"):
            raise StoreError(
                f"The store in {self.location} was made by an unreleased development version of Rowmill.",
                "Move it away, or set ROWMILL_HOME to another directory.",
            )
        return version

    def close(self) -> None:
        # A thread of a job that has just lost its claim may still read: closing under it would crash the process.
        with self._lock, self._read_mutex, _mapped():
            self._reader.close()
            self._writer.close()
        self._lock.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=256)
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
