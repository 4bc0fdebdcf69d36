"""Which engines are alive, in SQLite stores: each holds the lock of a file of its own for as long as it lives.

The kernel releases the lock when the process ends, however it ends, and keeps it while the process is only stopped. No
clock decides.
"""

import fcntl
import os
from collections.abc import Iterable
from io import FileIO
from pathlib import Path

from rowmill.db.sqlite.flock import no_lock, open_to_lock


class SQLitePresence:
    """The lock files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, FileIO] = {}
        folder.mkdir(exist_ok=True)

    def register(self, engine: str) -> None:
        path = self._folder / f"{engine}.lock"
        while True:
            file = open_to_lock(path)
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                break
            file.close()  # another process found it unlocked and removed it as that of a dead engine
        self._held[engine] = file

    def deregister(self, engine: str) -> None:
        file = self._held.pop(engine, None)
        if file is not None:
            (self._folder / f"{engine}.lock").unlink(missing_ok=True)
            file.close()

    def alive(self, engine: str) -> bool:
        path = self._folder / f"{engine}.lock"
        try:
            with path.open("rb") as file:
                # Shared, so that two processes that ask at once do not take each other for the engine.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_nlink:  # under the lock, so that no engine registers meanwhile
                    path.unlink(missing_ok=True)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        except OSError as error:
            raise no_lock(error) from error
        return False

    def alive_among(self, engines: Iterable[str]) -> set[str]:
        return {engine for engine in set(engines) if self.alive(engine)}

    def any_alive(self) -> bool:
        return any(self.alive(path.stem) for path in self._folder.glob("*.lock"))

    def close(self) -> None:
        for engine in list(self._held):
            self.deregister(engine)
