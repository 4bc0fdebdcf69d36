"""Tables that Rowmill holds: loading them, finding them, and reading their records page by page."""

from collections.abc import Sequence
from typing import Any

import orjson

from rowmill.core.errors import Conflict
from rowmill.db.database import Database, Maintenance, Transaction
from rowmill.db.values import dump, new_id, placeholders
from rowmill.ledger.mapping import DATASET_FIELDS, DATASET_SQL, dataset_of
from rowmill.tables.dataset import Dataset, Version
from rowmill.tables.schema import Schema

_MOST_AT_ONCE = 10_000
"""Keys that one query asks for; SQLite and PostgreSQL take some 32,000 parameters."""

AT = "revision <= ? AND (superseded IS NULL OR superseded > ?)"
"""Which version of a record stands at a revision (given twice)."""


class Datasets:
    def __init__(self, database: Database, maintenance: Maintenance) -> None:
        self._database = database
        self._maintenance = maintenance

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
            tx.insert(
                "INSERT INTO records (dataset, number, revision, data)",
                ((dataset, number, 1, data) for number, data in enumerate(rows, first)),
            )
        self._maintenance.maintain()

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
            tx.execute(
                "DELETE FROM datasets WHERE pk = ? AND named = 0 AND pk NOT IN (SELECT dataset FROM jobs)", (dataset,)
            )

    def find(self, content_hash: str) -> Dataset | None:
        """A whole dataset with this content that a job has taken."""
        lines = self._database.read(
            f"{DATASET_SQL} WHERE content_hash = ? AND loader IS NULL ORDER BY pk LIMIT 1", (content_hash,)
        )
        return dataset_of(lines[0]) if lines else None

    def get(self, dataset: int) -> Dataset:
        return dataset_of(self._database.read(f"{DATASET_SQL} WHERE pk = ?", (dataset,))[0])

    def named(self, name: str) -> Dataset | None:
        """The lasting dataset called ``name``, or any one whose id that is."""
        lines = self._database.read(
            f"{DATASET_SQL} WHERE loader IS NULL AND ((name = ? AND named = 1) OR id = ?)", (name, name)
        )
        return dataset_of(lines[0]) if lines else None

    def make(self, id_: str, name: str, schema: Schema, now: float) -> Dataset:
        """A new lasting dataset without records. Raises ``Conflict`` where one of that name is there."""
        with self._database.transaction() as tx:
            made = tx.execute(
                """INSERT INTO datasets (id, name, named, columns, rows, schema, created_at)
                   VALUES (?, ?, 1, '[]', 0, ?, ?) ON CONFLICT DO NOTHING RETURNING pk""",
                (id_, name, dump(schema.as_json()), now),
            )
            if not made:
                raise Conflict(f"There is a dataset {name!r} already.", "Choose another name.")
            return dataset_of(tx.execute(f"{DATASET_SQL} WHERE pk = ?", (made[0][0],))[0])

    def page(self, after: str = "", limit: int = 100) -> list[Dataset]:
        """The lasting datasets in the order of their names, after the one called ``after``."""
        lines = self._database.read(f"{DATASET_SQL} WHERE named = 1 AND name > ? ORDER BY name LIMIT ?", (after, limit))
        return [dataset_of(line) for line in lines]

    def records(self, dataset: int, revision: int, after: int, limit: int) -> list[tuple[int, str]]:
        """(number, values as a JSON array) of the next records after ``after``, as they stood at ``revision``."""
        return self._database.read(
            f"""SELECT number, data FROM records WHERE dataset = ? AND number > ? AND {AT} ORDER BY number
                LIMIT ?""",  # noqa: S608 - constants only
            (dataset, after, revision, revision, limit),
        )

    def numbers(self, dataset: Dataset, keys: Sequence[str]) -> dict[str, int]:
        """The record numbers behind ``keys``, without those that are not there."""
        return {key: number for key, (number, _) in self.current(dataset, keys).items()}

    def current(self, dataset: Dataset, keys: Sequence[str]) -> dict[str, tuple[int, str]]:
        """The record number and the values (a JSON array) behind each of ``keys`` that is there."""
        found: dict[str, tuple[int, str]] = {}
        for start in range(0, len(keys), _MOST_AT_ONCE):
            some = keys[start : start + _MOST_AT_ONCE]
            lines = self._database.read(
                f"""SELECT k.key, k.number, r.data FROM keys k
                    JOIN records r ON r.dataset = k.dataset AND r.number = k.number
                    WHERE k.dataset = ? AND k.key IN ({placeholders(len(some))}) AND {AT}""",  # noqa: S608 - constants only
                (dataset.pk, *some, dataset.revision, dataset.revision),
            )
            found |= {key: (number, data) for key, number, data in lines}
        return found

    def newest(self, dataset: int, number: int) -> list[Any]:
        """A record's values by its last version, also one that an import under way has brought."""
        sql = "SELECT data FROM records WHERE dataset = ? AND number = ? ORDER BY revision DESC LIMIT 1"
        lines = self._database.read(sql, (dataset, number))
        return orjson.loads(lines[0][0]) if lines else []

    def versions(self, dataset: Dataset, number: int) -> list[Version]:
        """A record's values over time, the oldest first."""
        lines = self._database.read(
            """SELECT revision, superseded, data FROM records WHERE dataset = ? AND number = ? AND revision <= ?
               ORDER BY revision""",
            (dataset.pk, number, dataset.revision),
        )
        return [
            Version(revision, superseded if superseded and superseded <= dataset.revision else None, orjson.loads(data))
            for revision, superseded, data in lines
        ]

    def keep_profile(self, dataset: Dataset, profile: dict[str, Any]) -> None:
        """Remembers the profile of ``dataset`` as it stands at its revision."""
        with self._database.transaction() as tx:
            kept = dump({"revision": dataset.revision, "profile": profile})
            tx.execute("UPDATE datasets SET profile = ? WHERE pk = ?", (kept, dataset.pk))

    def profile(self, dataset: Dataset) -> dict[str, Any] | None:
        """The profile of ``dataset`` if one was made at this revision."""
        text = self._database.read("SELECT profile FROM datasets WHERE pk = ?", (dataset.pk,))[0][0]
        kept = orjson.loads(text) if text else {}
        return kept.get("profile") if kept.get("revision") == dataset.revision else None


def found_or_made(tx: Transaction, name: str, now: float) -> Dataset:
    """The lasting dataset called ``name``, made empty where there is none."""
    # An update even if nothing changes: it locks the line.
    lines = tx.execute(
        f"""INSERT INTO datasets (id, name, named, columns, rows, revision, created_at)
            VALUES (?, ?, 1, '[]', 0, 0, ?)
            ON CONFLICT (name) WHERE named = 1 DO UPDATE SET name = excluded.name RETURNING {DATASET_FIELDS}""",  # noqa: S608 - constants only
        (new_id("ds"), name, now),
    )
    return dataset_of(lines[0])


def reserve(tx: Transaction, dataset: int, job: int) -> int | None:
    """Makes ``job`` the one import that writes the next revision of ``dataset``; returns the import that does already,
    if there is one."""
    if tx.change("UPDATE datasets SET importer = ? WHERE pk = ? AND importer IS NULL", (job, dataset)):
        return None
    return int(tx.execute("SELECT importer FROM datasets WHERE pk = ?", (dataset,))[0][0])


def keep_schema(tx: Transaction, dataset: int, schema: Schema) -> None:
    tx.execute("UPDATE datasets SET schema = ? WHERE pk = ?", (dump(schema.as_json()), dataset))
