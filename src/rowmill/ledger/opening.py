"""The one door to a store: ``open_store``."""

import os
from pathlib import Path

from rowmill.core.errors import StoreError, UsageError
from rowmill.db.secret_box import SecretBox
from rowmill.db.sqlite.database import SQLiteDatabase
from rowmill.ledger.store import Store

HEAD = "0003"
"""The newest migration; a store that stands there is opened without loading Alembic."""


def default_home() -> Path:
    """``ROWMILL_HOME``, or ``~/.rowmill``."""
    return Path(os.environ.get("ROWMILL_HOME") or Path.home() / ".rowmill").absolute()


def open_store(home: Path | None = None) -> Store:
    """Opens the SQLite store below ``home``, making or migrating it where needed.

    Raises ``UsageError`` where the place cannot hold one and ``StoreError`` where it is damaged or too new.
    """
    if os.environ.get("ROWMILL_STORE") and home is None:
        raise UsageError("ROWMILL_STORE is set, but this version knows SQLite stores only.", "Unset it.")
    place = home or default_home()
    try:
        database = SQLiteDatabase(place)
    except OSError as error:
        raise UsageError(
            f"{place} cannot hold a store: {error.strerror}.", "Set ROWMILL_HOME to another place."
        ) from error
    try:
        _bring_up_to_date(database, place)
    except BaseException:
        database.close()
        raise
    return Store(database, files=place / "files", uploads=place / "uploads", secrets=SecretBox(place))


def _bring_up_to_date(database: SQLiteDatabase, place: Path) -> None:
    version = database.version()
    if version == HEAD:
        return
    if version is not None and version > HEAD:
        raise StoreError(f"The store in {place} was written by a newer Rowmill.", "Install that version.")
    from rowmill.store.migrations.migrate import migrate  # noqa: PLC0415 - Alembic takes 0.3 s to load

    migrate(database, HEAD)
