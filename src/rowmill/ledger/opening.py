"""The one door to a store: ``open_store``."""

import os
from pathlib import Path

from rowmill.core.errors import UsageError
from rowmill.db.migrations.runner import SQLITE, migrate
from rowmill.db.secret_box import SecretBox
from rowmill.db.sqlite.database import SQLiteDatabase
from rowmill.db.sqlite.maintenance import SQLiteMaintenance
from rowmill.db.sqlite.presence import SQLitePresence
from rowmill.ledger.store import Store


def default_home() -> Path:
    """``ROWMILL_HOME``, or ``~/.rowmill``."""
    return Path(os.environ.get("ROWMILL_HOME") or Path.home() / ".rowmill").absolute()


def open_store(home: Path | None = None) -> Store:
    """Opens the SQLite store in ``home``, and creates or upgrades it first if needed.

    Raises ``UsageError`` if there can be no store in that directory, and ``StoreError`` if the store is damaged, was
    made by a newer version, or cannot be upgraded now.
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
        presence = SQLitePresence(place / "engines")
        migrate(database, presence, SQLITE)
    except BaseException:
        database.close()
        raise
    maintenance = SQLiteMaintenance(database, presence)
    return Store(
        database, presence, maintenance, files=place / "files", uploads=place / "uploads", secrets=SecretBox(place)
    )
