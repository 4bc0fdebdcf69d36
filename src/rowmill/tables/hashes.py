"""Hashes met before, kept outside memory."""

import sqlite3
from types import TracebackType
from typing import Self

import orjson

from rowmill.core.errors import StoreError

_CACHE_KIB = 64 * 1024


class SeenHashes:
    """A set of 64-bit hashes in a temporary file of SQLite's own, which is gone once this is closed or the process
    ends. Memory stays at 64 MiB however many there are. A context manager, for one thread at a time."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("CREATE TABLE seen (hash INTEGER PRIMARY KEY)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, hashes: list[int]) -> int:
        """How many of ``hashes`` (signed, 64 bits) were there before, earlier in this list included. Raises
        ``StoreError`` where there is no room for the file."""
        # In order, so that neighbours meet the same page of the file; one statement takes half as long as executemany.
        ordered = orjson.dumps(sorted(hashes))
        try:
            cursor = self._connection.execute("INSERT OR IGNORE INTO seen SELECT value FROM json_each(?)", (ordered,))
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"The temporary file that tells duplicate rows could not be written: {error}.",
                "Free space for temporary files, or name another directory for them in SQLITE_TMPDIR.",
            ) from error
        return len(hashes) - cursor.rowcount
