"""The store: its verbs, gathered."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from rowmill.db.database import Database, Maintenance, Presence
from rowmill.db.secret_box import SecretBox
from rowmill.db.values import new_id
from rowmill.ledger.allowances import Allowances
from rowmill.ledger.browse import Browse
from rowmill.ledger.control import Control
from rowmill.ledger.datasets import Datasets
from rowmill.ledger.events import Events
from rowmill.ledger.files import StoredFiles
from rowmill.ledger.ledger import Ledger
from rowmill.ledger.limits import Limits
from rowmill.ledger.purge import purge
from rowmill.ledger.queue import Queue
from rowmill.ledger.requests import Requests
from rowmill.ledger.results import Results
from rowmill.ledger.transfers import Transfers
from rowmill.ledger.usage import Usage


class Store:
    """One open store. ``clock`` gives Unix seconds; every time that is written comes from it. ``files`` is a directory
    for what is on its way: tables fetched from elsewhere, exports that go elsewhere; made when first needed.
    ``uploads`` is one for what was uploaded and what can be downloaded, which ``stored_files`` knows by id.
    ``secrets`` seals what must not stand in the database in clear."""

    def __init__(
        self,
        database: Database,
        presence: Presence,
        maintenance: Maintenance,
        clock: Callable[[], float] = time.time,
        *,
        files: Path,
        uploads: Path,
        secrets: SecretBox,
    ) -> None:
        self.database = database
        self.presence = presence
        self.maintenance = maintenance
        self.clock = clock
        self.files = files
        self.uploads = uploads
        self.secrets = secrets
        self.ledger = Ledger(database, presence, maintenance)
        self.control = Control(database, presence)
        self.browse = Browse(database, presence)
        self.datasets = Datasets(database, maintenance)
        self.results = Results(database)
        self.transfers = Transfers(database, maintenance)
        self.limits = Limits(database)
        self.usage = Usage(database)
        self.allowances = Allowances(database, presence)
        self.events = Events(database)
        self.queue = Queue(database, presence)
        self.requests = Requests(database)
        self.stored_files = StoredFiles(database)

    def join(self) -> str:
        """Makes a new engine of this process known, alive until it leaves or the process ends; returns its name."""
        engine = self.register()
        idle = self.database.read("SELECT id FROM engines WHERE id NOT IN (SELECT engine FROM claims)")
        with self.database.transaction() as tx:
            for (other,) in idle:
                if not self.presence.alive(other):  # it ended without leaving, and nothing of it is left to see to
                    tx.execute("DELETE FROM engines WHERE id = ? AND id NOT IN (SELECT engine FROM claims)", (other,))
            tx.execute("INSERT INTO engines (id, pid, joined_at) VALUES (?, ?, ?)", (engine, os.getpid(), self.clock()))
        return engine

    def register(self) -> str:
        """A name of this process under which it fills datasets and tells webhooks, alive like an engine's; it works no
        jobs under it."""
        name = new_id("eng")
        self.presence.register(name)
        return name

    def leave(self, engine: str) -> None:
        """The engine works no longer and holds nothing."""
        with self.database.transaction() as tx:
            tx.execute("DELETE FROM engines WHERE id = ? AND id NOT IN (SELECT engine FROM claims)", (engine,))
        self.presence.deregister(engine)

    def purge(self) -> None:
        """Removes what nothing needs any more."""
        purge(self.database, self.presence, self.maintenance)

    def close(self) -> None:
        self.presence.close()
        self.database.close()
