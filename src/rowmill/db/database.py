"""What the verbs need of a database. SQLite fulfils it in ``rowmill.db.sqlite.database``.

Statements are written once, in SQL that SQLite and PostgreSQL both understand, with ``?`` for parameters.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

DbRow = tuple[Any, ...]
"""One line of a result."""


class Transaction(Protocol):
    """A write transaction: all or nothing, and alone."""

    def execute(self, sql: str, params: Sequence[Any] = ()) -> list[DbRow]:
        """Runs one statement and returns its lines (those of ``RETURNING`` for a write)."""
        ...

    def change(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Runs one statement and returns how many lines it changed."""
        ...

    def insert(self, into: str, lines: Iterable[Sequence[Any]], conflict: str = "") -> None:
        """Adds many lines, hundreds by one statement: ``into`` is ``INSERT INTO table (columns)``, ``conflict`` what
        stands after the values. Several times as fast as ``executemany``."""
        ...

    def executemany(self, sql: str, params: Iterable[Sequence[Any]]) -> None: ...


class Database(Protocol):
    def transaction(self) -> AbstractContextManager[Transaction]:
        """Commits at the end of the block, durably; rolls back when it raises. Raises ``StoreError``."""
        ...

    def read(self, sql: str, params: Sequence[Any] = ()) -> list[DbRow]:
        """Runs one short query outside any transaction."""
        ...

    def data_version(self) -> int:
        """Another number than before, for as long as this database is open, once anything has been committed since.
        Cheaper than any other query."""
        ...

    def register(self, engine: str) -> None:
        """Makes ``engine`` known as alive for as long as this process lives and does not ``deregister`` it."""
        ...

    def deregister(self, engine: str) -> None: ...

    def alive(self, engine: str) -> bool:
        """Whether the process of ``engine`` is alive. A stopped process is; a killed one never is."""
        ...

    def maintain(self) -> None:
        """Keeps the database in shape; called between commits, and quick."""
        ...

    def size(self) -> int:
        """Bytes that the database takes on disk."""
        ...

    def shrink(self) -> None:
        """Gives the space of what was removed back to the file system, a little at a time."""
        ...

    def in_use(self) -> bool:
        """Whether an engine of any process lives."""
        ...

    def check(self) -> str | None:
        """What is wrong with the database; ``None`` where it is sound."""
        ...

    def close(self) -> None: ...
