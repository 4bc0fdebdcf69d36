"""The store: its verbs, gathered."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from rowmill.store.browse import Browse
from rowmill.store.control import Control
from rowmill.store.database import Database
from rowmill.store.datasets import Datasets
from rowmill.store.ledger import Ledger
from rowmill.store.limits import Limits
from rowmill.store.lines import new_id
from rowmill.store.purge import purge
from rowmill.store.results import Results
from rowmill.store.transfers import Transfers


class Store:
    """One open store. ``clock`` gives Unix seconds; every time that is written comes from it. ``files`` is a directory
    for what is on its way: tables fetched from elsewhere, exports that go elsewhere; made when first needed."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time, *, files: Path) -> None:
        self.database = database
        self.clock = clock
        self.files = files
        self.ledger = Ledger(database)
        self.control = Control(database)
        self.browse = Browse(database)
        self.datasets = Datasets(database)
        self.results = Results(database)
        self.transfers = Transfers(database)
        self.limits = Limits(database)

    def join(self) -> str:
        """Makes a new engine of this process known, alive until it leaves or the process ends; returns its name."""
        engine = new_id("eng")
        self.database.appear(engine)
        with self.database.transaction() as tx:
            tx.execute("INSERT INTO engines (id, pid, joined_at) VALUES (?, ?, ?)", (engine, os.getpid(), self.clock()))
        return engine

    def leave(self, engine: str) -> None:
        """The engine works no longer and holds nothing."""
        with self.database.transaction() as tx:
            tx.execute("DELETE FROM engines WHERE id = ? AND id NOT IN (SELECT engine FROM claims)", (engine,))
        self.database.vanish(engine)

    def purge(self) -> None:
        """Removes what nothing needs any more."""
        purge(self.database)

    def close(self) -> None:
        self.database.close()
