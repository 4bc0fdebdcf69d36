"""Creates and upgrades the schema of a store from numbered SQL files, one folder per kind of database.

The number of a file is the version of a store that has run it. A released file never changes: whatever changes the
schema later is a new file.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from rowmill.core.errors import StoreError
from rowmill.db.database import Presence

# Not by importlib.resources, which takes longer to import than an up-to-date store takes to open.
SQLITE = Path(__file__).with_name("sqlite")
"""The migrations of SQLite stores."""


class MigratableTransaction(Protocol):
    def migrate(self, script: str, version: int) -> None:
        """Runs the statements of ``script`` and records ``version`` as the store's."""


class MigratableDatabase(Protocol):
    """What the runner needs of a database."""

    @property
    def location(self) -> str:
        """Where the database is, as messages name it."""

    def version(self) -> int:
        """The version of the store, 0 if it is empty. Raises ``StoreError`` if no release can have made it."""

    def exclusive(self) -> AbstractContextManager[MigratableTransaction]:
        """A transaction for which every other process that asks for one waits. All or nothing."""


def migrate(database: MigratableDatabase, presence: Presence, folder: Path) -> None:
    """Runs the migrations in ``folder`` that the store has not run yet, in one transaction.

    Raises ``StoreError`` if a newer version of Rowmill made the store, if an engine is alive, or if a migration fails.
    """
    if not _pending(database, folder):
        return
    with database.exclusive() as tx:
        pending = _pending(database, folder)  # again: another process may have been faster
        if pending and presence.any_alive():
            raise StoreError(
                f"The store in {database.location} must be upgraded, but it is in use.", "Stop every Rowmill process."
            )
        for version, path in pending:
            tx.migrate(path.read_text(encoding="utf-8"), version)


def _pending(database: MigratableDatabase, folder: Path) -> list[tuple[int, Path]]:
    files = sorted((int(path.name.partition("_")[0]), path) for path in folder.glob("*.sql"))
    version, newest = database.version(), files[-1][0]
    if version > newest:
        raise StoreError(
            f"The store in {database.location} was made by a newer version of Rowmill.", "Install a newer version."
        )
    return [(number, path) for number, path in files if number > version]
