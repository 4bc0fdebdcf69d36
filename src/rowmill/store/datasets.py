"""Tables that Rowmill holds: loading them, and reading their records page by page."""

from collections.abc import Sequence

from rowmill.model.job import Dataset
from rowmill.store.database import Database
from rowmill.store.lines import DATASET_SQL, dataset_of, dump, new_id


class Datasets:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, name: str, engine: str, now: float) -> int:
        """A new, empty dataset that ``engine`` fills; it goes away with the engine unless a job takes it."""
        with self._database.transaction() as tx:
            return int(
                tx.execute(
                    """INSERT INTO datasets (id, name, columns, rows, loader, created_at) VALUES (?, ?, '[]', 0, ?, ?)
                       RETURNING pk""",
                    (new_id("ds"), name, engine, now),
                )[0][0]
            )

    def add(self, dataset: int, first: int, rows: Sequence[str]) -> None:
        """Appends records, each a JSON array, numbered from ``first``."""
        with self._database.transaction() as tx:
            tx.executemany(
                "INSERT INTO records (dataset, number, data) VALUES (?, ?, ?)",
                ((dataset, number, data) for number, data in enumerate(rows, first)),
            )
        self._database.maintain()

    def seal(self, dataset: int, columns: Sequence[str], rows: int, content_hash: str) -> None:
        """Says that the dataset is whole."""
        with self._database.transaction() as tx:
            tx.execute(
                "UPDATE datasets SET columns = ?, rows = ?, content_hash = ? WHERE pk = ?",
                (dump(list(columns)), rows, content_hash, dataset),
            )

    def drop(self, dataset: int) -> None:
        """Takes back a dataset that was begun and that no job uses; ``purge`` removes its records."""
        with self._database.transaction() as tx:
            tx.execute("DELETE FROM datasets WHERE pk = ? AND pk NOT IN (SELECT dataset FROM jobs)", (dataset,))

    def find(self, content_hash: str) -> Dataset | None:
        """A whole dataset with this content that a job has taken."""
        lines = self._database.read(
            f"{DATASET_SQL} WHERE content_hash = ? AND loader IS NULL ORDER BY pk LIMIT 1", (content_hash,)
        )
        return dataset_of(lines[0]) if lines else None

    def get(self, dataset: int) -> Dataset:
        return dataset_of(self._database.read(f"{DATASET_SQL} WHERE pk = ?", (dataset,))[0])
