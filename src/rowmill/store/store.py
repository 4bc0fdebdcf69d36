"""The store: its verbs, gathered."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from rowmill.store.allowances import Allowances
from rowmill.store.browse import Browse
from rowmill.store.connections import Connections
from rowmill.store.control import Control
from rowmill.store.database import Database
from rowmill.store.datasets import Datasets
from rowmill.store.deliveries import Deliveries
from rowmill.store.events import Events
from rowmill.store.files import StoredFiles
from rowmill.store.ledger import Ledger
from rowmill.store.limits import Limits
from rowmill.store.lines import new_id
from rowmill.store.purge import purge
from rowmill.store.queue import Queue
from rowmill.store.requests import Requests
from rowmill.store.results import Results
from rowmill.store.secret_box import SecretBox
from rowmill.store.tokens import Tokens
from rowmill.store.transfers import Transfers
from rowmill.store.usage import Usage
from rowmill.store.webhooks import Webhooks


class Store:
    """One open store. ``clock`` gives Unix seconds; every time that is written comes from it. ``files`` is a directory
    for what is on its way: tables fetched from elsewhere, exports that go elsewhere; made when first needed.
    ``uploads`` is one for what was uploaded and what can be downloaded, which ``stored_files`` knows by id.
    ``secrets`` seals what must not stand in the database in clear."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        *,
        files: Path,
        uploads: Path,
        secrets: SecretBox,
    ) -> None:
        self.database = database
        self.clock = clock
        self.files = files
        self.uploads = uploads
        self.secrets = secrets
        self.ledger = Ledger(database)
        self.control = Control(database)
        self.browse = Browse(database)
        self.datasets = Datasets(database)
        self.results = Results(database)
        self.transfers = Transfers(database)
        self.limits = Limits(database)
        self.usage = Usage(database)
        self.allowances = Allowances(database)
        self.tokens = Tokens(database)
        self.connections = Connections(database)
        self.events = Events(database)
        self.queue = Queue(database)
        self.requests = Requests(database)
        self.stored_files = StoredFiles(database)
        self.webhooks = Webhooks(database)
        self.deliveries = Deliveries(database)

    def join(self) -> str:
        """Makes a new engine of this process known, alive until it leaves or the process ends; returns its name."""
        engine = self.appear()
        idle = self.database.read("SELECT id FROM engines WHERE id NOT IN (SELECT engine FROM claims)")
        with self.database.transaction() as tx:
            for (other,) in idle:
                if not self.database.alive(other):  # it ended without leaving, and nothing of it is left to see to
                    tx.execute("DELETE FROM engines WHERE id = ? AND id NOT IN (SELECT engine FROM claims)", (other,))
            tx.execute("INSERT INTO engines (id, pid, joined_at) VALUES (?, ?, ?)", (engine, os.getpid(), self.clock()))
        return engine

    def appear(self) -> str:
        """A name of this process under which it fills datasets and tells webhooks, alive like an engine's; it works no
        jobs under it."""
        name = new_id("eng")
        self.database.appear(name)
        return name

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
