"""What the ledger needs of a database, as protocols. ``rowmill.db.sqlite`` implements them for SQLite.

Statements are written once, in SQL that SQLite and PostgreSQL both understand, with ``?`` for parameters.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

DbRow = tuple[Any, ...]
"""One line of a result."""


class Transaction(Protocol):
    """A write transaction: all or nothing. It is alone where the database has one writer; elsewhere other transactions
    run beside it, and each statement sees what they have committed by then.

    So a verb that reads and then writes, or whose guard looks at another table, locks first. ``lock`` and ``serialize``
    cost nothing where there is one writer. To keep clear of deadlocks, a transaction locks a dataset before its jobs,
    and takes its place among the events last.
    """

    def lock(self, table: str, pk: int) -> None:
        """Makes other transactions that lock or change this line wait until this one ends; no line, no lock.

        On PostgreSQL: ``SELECT … FOR UPDATE``.
        """
        ...

    def serialize(self, name: str) -> None:
        """Makes other transactions that serialize the same ``name`` wait until this one ends, for what has no line yet.

        On PostgreSQL: ``pg_advisory_xact_lock``.
        """
        ...

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

    def close(self) -> None: ...


class Presence(Protocol):
    """Which engines are alive."""

    def register(self, engine: str) -> None:
        """Marks ``engine`` as alive until it is deregistered or this process ends."""
        ...

    def deregister(self, engine: str) -> None: ...

    def alive(self, engine: str) -> bool:
        """Whether the process of ``engine`` is alive. A stopped process is; a killed one never is."""
        ...

    def alive_among(self, engines: Iterable[str]) -> set[str]:
        """Those of ``engines`` that are alive. One call for a page of jobs, however many engines work them."""
        ...

    def any_alive(self) -> bool:
        """Whether an engine of any process is alive."""
        ...

    def close(self) -> None:
        """Deregisters the engines of this process."""
        ...


class Maintenance(Protocol):
    """What keeps the database small and sound."""

    def maintain(self) -> None:
        """Does the upkeep that is due; called between commits, and quick."""
        ...

    def size(self) -> int:
        """Bytes that the database takes on disk."""
        ...

    def shrink(self) -> None:
        """Returns freed space to the file system, a little at a time."""
        ...

    def check(self) -> str | None:
        """Describes what is wrong with the database; ``None`` if it is sound."""
        ...
