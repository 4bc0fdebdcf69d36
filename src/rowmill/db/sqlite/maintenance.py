"""Checkpoints, vacuum and checks of a SQLite store."""

from rowmill.db.sqlite.database import SQLiteDatabase
from rowmill.db.sqlite.presence import SQLitePresence

_NONE = 0  # of PRAGMA auto_vacuum


class SQLiteMaintenance:
    """``checkpoint_bytes``: the size of the log from which ``maintain`` moves it into the database file.
    ``shrink_pages``: how many pages ``shrink`` frees at a time."""

    def __init__(
        self,
        database: SQLiteDatabase,
        presence: SQLitePresence,
        *,
        checkpoint_bytes: int = 16 << 20,
        shrink_pages: int = 2000,
    ) -> None:
        self._database = database
        self._presence = presence
        self._log = database.path.with_name("rowmill.db-wal")
        self._checkpoint_bytes = checkpoint_bytes
        self._checkpoint_at = checkpoint_bytes
        self._shrink_pages = shrink_pages

    def maintain(self) -> None:
        try:
            size = self._log.stat().st_size
        except FileNotFoundError:
            return
        if size >= self._checkpoint_at:
            self._checkpoint_at = self._checkpoint_bytes + (0 if self._checkpoint() else size)

    def size(self) -> int:
        return sum(path.stat().st_size for path in (self._database.path, self._log) if path.exists())

    def shrink(self) -> None:
        if self._pragma("auto_vacuum") == _NONE:
            self._rebuild()
            return
        while free := self._pragma("freelist_count"):
            with self._database.connection() as connection:
                # Each step of the statement frees one page, so it must be run to its end.
                connection.execute(f"PRAGMA incremental_vacuum({self._shrink_pages})").fetchall()
            self.maintain()
            if self._pragma("freelist_count") >= free:
                break
        self._checkpoint()

    def check(self) -> str | None:
        found = [str(line[0]) for line in self._database.read("PRAGMA quick_check(5)")]
        return None if found == ["ok"] else "; ".join(found)

    def _pragma(self, name: str) -> int:
        return int(self._database.read(f"PRAGMA {name}")[0][0])

    def _checkpoint(self) -> bool:
        """Moves the log into the database file; returns ``False``, without waiting, if a reader was in the way."""
        with self._database.connection() as connection:
            connection.execute("PRAGMA busy_timeout = 20")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            connection.execute("PRAGMA busy_timeout = 15000")
        return not busy

    def _rebuild(self) -> None:
        """Rebuilds, once, a file that was created without ``auto_vacuum``. This takes the whole file, so it waits for
        a moment without engines."""
        if self._presence.any_alive():
            return
        with self._database.connection() as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("VACUUM")
        self._checkpoint()
