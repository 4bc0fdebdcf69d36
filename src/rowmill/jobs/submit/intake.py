"""Takes a file into the store for a run: whole or not at all."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import orjson

from rowmill.core.errors import InputError
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Malformed, Reader
from rowmill.tables.dataset import Dataset
from rowmill.tables.source import OpenSource

_BATCH = 5000
Reading = Callable[[int], None]
"""Told how many rows are in the store, before the first one and after each batch; it may raise to stop the reading."""


def take_in(store: Store, engine: str, source: OpenSource, reader: Reader, tell: Reading) -> Dataset:
    """The dataset with this content: the one that is there, or a new one. Raises ``InputError``; nothing is kept then.

    A new one stays bound to ``engine`` until a job takes it.
    """
    if known := store.datasets.find(source.content_hash):
        return known
    tell(0)
    store.purge()
    dataset = store.datasets.begin(Path(source.name).name, engine, store.clock())
    try:
        rows = 0
        values = _whole(reader, source.name)
        while batch := [orjson.dumps(row).decode() for row in islice(values, _BATCH)]:
            store.datasets.add(dataset, rows + 1, batch)
            rows += len(batch)
            tell(rows)
        source.check_unchanged()
        if rows == 0:
            raise InputError(f"{source.name} has a header and no rows.", "Give a file with at least one row.")
        store.datasets.seal(dataset, reader.columns, rows, source.content_hash)
    except BaseException:
        put_back(store, dataset)
        raise
    return store.datasets.get(dataset)


def put_back(store: Store, dataset: int) -> None:
    """Undoes ``take_in`` where no job has taken the dataset."""
    store.datasets.drop(dataset)
    store.purge()


def _whole(reader: Reader, name: str) -> Iterator[list[object]]:
    """The rows of a table of which every row counts: one that cannot be read refuses it all."""
    for row in reader.rows():
        if isinstance(row, Malformed):
            raise InputError(f"Line {row.line} of {name} {row.message}.", row.hint)
        yield row
