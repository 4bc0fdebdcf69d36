"""Looking at datasets: finding one, its profile, a record with its versions and results."""

from dataclasses import dataclass

import orjson

from rowmill.engine.source import check_name
from rowmill.model.errors import NotFound
from rowmill.model.job import Dataset, Job, Result, Version
from rowmill.model.profile import Profiler
from rowmill.service.hashes import SeenHashes
from rowmill.store.store import Store

_PAGE = 5000


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
        hint = "List jobs with `rowmill jobs` and datasets with `rowmill datasets`."
        raise NotFound(f"There is neither a job nor a dataset {name!r}.", hint) from error


def profile(store: Store, dataset: Dataset) -> dict[str, object]:
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


def record(store: Store, dataset: Dataset, number: int) -> Record | None:
    """One record, ``None`` where it is not there."""
    versions = store.datasets.versions(dataset, number)
    if not versions:
        return None
    results = [result for _, result in store.results.between(dataset.pk, number, number, dataset.stamp)]
    return Record(number, versions, results)
