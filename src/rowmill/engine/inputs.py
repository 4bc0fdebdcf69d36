"""What a step sees of a record: its source values, and results that earlier jobs found for it."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import orjson

from rowmill.core.commit import Task
from rowmill.core.job import Job, Step
from rowmill.engine.item import Item
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset


class Inputs:
    """What ``steps`` see of the records of ``dataset``, with the results that it had at ``result_version``."""

    def __init__(self, store: Store, dataset: Dataset, steps: Collection[Step], result_version: int) -> None:
        self._store = store
        self._dataset = dataset
        self._result_version = result_version
        self._used = used_columns(steps)
        self._own = {name for step in steps for name in step.outputs} - set(dataset.columns)
        self._with_results = dataset.named and (
            self._used is None or not set(self._used) <= {*dataset.columns, *self._own}
        )

    def values(self, records: Sequence[tuple[int, Sequence[Any]]]) -> list[dict[str, Any]]:
        """The values by column of each (record number, source values)."""
        found = [dict(zip_longest(self._dataset.columns, values)) for _, values in records]
        if records and self._with_results:
            numbers = [number for number, _ in records]
            results = self._store.results.values(self._dataset.pk, min(numbers), max(numbers), self._result_version)
            for number, values in zip(numbers, found, strict=True):
                for name, value in results.get(number, {}).items():
                    if name not in self._own:
                        values.setdefault(name, value)
        return found

    def items(self, job: Job, lo: int, hi: int) -> list[Item]:
        """Rows ``lo`` to ``hi`` of ``job``, whose outcomes become results if the dataset is a lasting one."""
        rows = self._store.browse.records(job.pk, lo, hi)
        values = self.values([(record, values) for _, record, values in rows])
        named = self._dataset.named
        return [
            Item(Task(number), inputs, record if named else None)
            for (number, record, _), inputs in zip(rows, values, strict=True)
        ]

    def hash(self, values: Mapping[str, Any]) -> int:
        """A 64-bit hash of the columns that the steps use, but their own outputs; the order of columns means nothing,
        nor does an empty column."""
        names = values if self._used is None else self._used
        seen = {name: values[name] for name in sorted(names) if name not in self._own and values.get(name) is not None}
        digest = hashlib.blake2b(orjson.dumps(seen), digest_size=8).digest()
        return int.from_bytes(digest, signed=True)


def result_columns(store: Store, dataset: Dataset) -> list[str]:
    """The columns that jobs have added to ``dataset``, in the order in which they came."""
    jobs = [store.browse.job(pk) for pk in store.results.jobs(dataset.pk)]
    return list(dict.fromkeys(name for job in jobs for name in job.columns if name not in dataset.columns))


def used_columns(steps: Collection[Step]) -> list[str] | None:
    """The columns that ``steps`` take from the dataset, ``None`` for all."""
    used: dict[str, None] = {}
    made: set[str] = set()
    for step in steps:
        if step.inputs is None:
            return None
        used |= dict.fromkeys(name for name in step.inputs if name not in made)
        made |= set(step.outputs)
    return list(used)
