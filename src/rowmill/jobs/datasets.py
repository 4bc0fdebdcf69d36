"""Looking at datasets: finding one, its profile, a record with its versions and results."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from rowmill.core.errors import NotFound, UsageError
from rowmill.core.job import Job
from rowmill.core.messages import Message
from rowmill.engine.inputs import result_columns
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset, Result, Version
from rowmill.tables.hashes import SeenHashes
from rowmill.tables.profile import Profiler
from rowmill.tables.source import check_name
from rowmill.tables.where import Where

_PAGE = 5000


_MOST_EXAMINED = 50_000
"""Records that are looked at for one page: a condition that few fulfil must not keep its asker waiting."""

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordPage:
    """(number, values by column, results included) of some records. ``after`` is the last record that was looked at,
    ``None`` where there are no more behind it."""

    records: list[tuple[int, Values]]
    after: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its versions and the results that jobs found for it, the oldest first."""

    number: int
    versions: list[Version]
    results: list[Result]


def find(store: Store, name: str) -> Job | Dataset:
    """What ``name`` means: a dataset's name or id, a job's id, a prefix of that, or ``last``. Raises ``NotFound``, and
    ``UsageError`` for what is no text."""
    check_name(name)
    if dataset := store.datasets.named(name):
        return dataset
    try:
        return store.browse.find_job(name)
    except NotFound as error:
        raise NotFound(Message.NAME_UNKNOWN, name=name) from error


def check_dataset_name(name: str) -> None:
    """Raises ``UsageError`` where no dataset can be called ``name``: other things are, or it cannot be written."""
    check_name(name)
    taken = name in ("", "last", ".", "..") or name.startswith(("job_", "ds_", "-"))
    if taken or not name.isprintable() or "/" in name:
        raise UsageError(f"{name!r} is not a valid dataset name.", "Choose another name for the dataset.")


def profile(store: Store, dataset: Dataset) -> dict[str, Any]:
    """What the columns of ``dataset`` hold; remembered until the next import changes it."""
    if kept := store.datasets.profile(dataset):
        return kept
    width = len(dataset.columns)
    with SeenHashes() as seen:
        profiler = Profiler(dataset.columns, seen.add)
        after = 0
        while lines := store.datasets.records(dataset.pk, dataset.revision, after, _PAGE):
            after = lines[-1][0]
            rows = [orjson.loads(data) for _, data in lines]
            profiler.add([row + [None] * (width - len(row)) if len(row) < width else row for row in rows])
        found = {**profiler.result(), "key": dataset.schema.key, "duplicate_keys": 0 if dataset.schema.key else None}
    store.datasets.keep_profile(dataset, found)
    return found


def records_page(store: Store, dataset: Dataset, where: str | None, after: int, limit: int) -> RecordPage:
    """Up to ``limit`` of the records after number ``after``, as they stand: all, or those for which ``where`` holds.
    There may be fewer although more follow. Raises ``UsageError`` for a condition that makes no sense here."""
    added = result_columns(store, dataset)
    columns = [*dataset.columns, *added]
    test = Where(where) if where is not None else None
    if test is not None:
        test.check(columns)
    found: list[tuple[int, Values]] = []
    examined = 0
    while examined < _MOST_EXAMINED:
        size = limit - len(found) if test is None else _PAGE
        lines = store.datasets.records(dataset.pk, dataset.revision, after, size + 1)
        for number, values in _with_results(store, dataset, lines[:size], columns):
            if test is None or test.holds(values):
                if len(found) == limit:
                    return RecordPage(found, after)
                found.append((number, values))
            after = number
        if len(lines) <= size:
            return RecordPage(found, None)
        if len(found) == limit:
            break
        examined += size
    return RecordPage(found, after)


def _with_results(
    store: Store, dataset: Dataset, lines: list[tuple[int, str]], columns: list[str]
) -> Iterator[tuple[int, Values]]:
    """Each record with all of ``columns``, which are the dataset's and those that jobs have added."""
    if not lines:
        return
    more = len(columns) > len(dataset.columns)
    results = store.results.values(dataset.pk, lines[0][0], lines[-1][0], dataset.result_version) if more else {}
    for number, data in lines:
        values = results.get(number, {}) | dict(zip(dataset.columns, orjson.loads(data), strict=False))
        yield number, {name: values.get(name) for name in columns}


def record(store: Store, dataset: Dataset, number: int) -> Record | None:
    """One record, ``None`` where it is not there."""
    versions = store.datasets.versions(dataset, number)
    if not versions:
        return None
    results = [result for _, result in store.results.between(dataset.pk, number, number, dataset.result_version)]
    return Record(number, versions, results)
