"""Which records of a dataset a job works on: ranges, keys, an expression, or only what is new or has changed."""

from array import array
from collections.abc import Iterable, Iterator, Sequence

import orjson

from rowmill.core.errors import UsageError
from rowmill.core.job import Step
from rowmill.core.ranges import parse_ranges
from rowmill.core.suggest import listing
from rowmill.engine.inputs import Inputs
from rowmill.jobs.spec import Selection
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset
from rowmill.tables.where import Where

_PAGE = 5000


class Ranges:
    """Sorted record numbers, kept as ranges: sixteen bytes for each."""

    def __init__(self) -> None:
        self._bounds = array("q")

    def add(self, first: int, last: int) -> None:
        """Adds what comes after everything added before."""
        if self._bounds and self._bounds[-1] + 1 == first:
            self._bounds[-1] = last
        else:
            self._bounds.extend((first, last))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        bounds = iter(self._bounds)
        return zip(bounds, bounds, strict=True)

    def __bool__(self) -> bool:
        return bool(self._bounds)


def choose(store: Store, dataset: Dataset, selection: Selection, steps: Sequence[Step]) -> Ranges:
    """The records of ``dataset``, as it stands, that ``selection`` means. Raises ``UsageError``."""
    ranges = parse_ranges(selection.rows, dataset.rows) if selection.rows is not None else [(1, dataset.rows)]
    if selection.keys:
        ranges = _within(ranges, _numbers(store, dataset, selection.keys))
    chosen = Ranges()
    if selection.where is None and selection.only in (None, "all"):
        for first, last in ranges:
            if first <= last:
                chosen.add(first, last)
        return chosen
    test = _Test(store, dataset, selection, steps)
    for first, last in ranges:
        for lo in range(first, last + 1, _PAGE):
            for number in test.holds(lo, min(lo + _PAGE - 1, last)):
                chosen.add(number, number)
    return chosen


class _Test:
    def __init__(self, store: Store, dataset: Dataset, selection: Selection, steps: Sequence[Step]) -> None:
        self._store = store
        self._dataset = dataset
        self._only = selection.only or "all"
        self._where = Where(selection.where) if selection.where is not None else None
        self._inputs = Inputs(store, dataset, steps, dataset.result_version)
        self._outputs = {name for step in steps for name in step.outputs}
        self._columns_of = {pk: store.browse.job(pk).columns for pk in store.results.jobs(dataset.pk)}
        if self._where:
            added = (name for names in self._columns_of.values() for name in names)
            self._where.check(list(dict.fromkeys([*dataset.columns, *added])))

    def holds(self, lo: int, hi: int) -> list[int]:
        """Those of records ``lo`` to ``hi`` that are chosen."""
        found = self._seen(lo, hi) if self._only != "all" else {}
        if self._only == "new" and self._where is None:
            return [number for number in range(lo, hi + 1) if not self._outputs <= found.get(number, {}).keys()]
        lines = self._store.datasets.records(self._dataset.pk, self._dataset.revision, lo - 1, hi - lo + 1)
        records = [(number, orjson.loads(data)) for number, data in lines]
        wanted = zip(records, self._inputs.values(records), self._filtered(records), strict=True)
        return [
            number for (number, _), values, passes in wanted if passes and self._is_due(found.get(number, {}), values)
        ]

    def _is_due(self, seen: dict[str, int], values: dict[str, object]) -> bool:
        if self._only == "all" or not self._outputs <= seen.keys():
            return True
        if self._only == "new":
            return False
        now = self._inputs.hash(values)
        return any(seen[name] != now for name in self._outputs)

    def _filtered(self, records: Sequence[tuple[int, list[object]]]) -> Iterable[bool]:
        if self._where is None:
            return [True] * len(records)
        columns = self._dataset.columns
        rows = [dict(zip(columns, values, strict=False)) for _, values in records]
        if records and not set(self._where.variables) <= set(columns):
            lo, hi = records[0][0], records[-1][0]
            results = self._store.results.values(self._dataset.pk, lo, hi, self._dataset.result_version)
            rows = [results.get(number, {}) | row for (number, _), row in zip(records, rows, strict=True)]
        return map(self._where.holds, rows)

    def _seen(self, lo: int, hi: int) -> dict[int, dict[str, int]]:
        """For each record with results, the hash of the inputs that each result column was found from."""
        found: dict[int, dict[str, int]] = {}
        for record, job, input_hash in self._store.results.inputs(
            self._dataset.pk, lo, hi, self._dataset.result_version
        ):
            found.setdefault(record, {}).update(dict.fromkeys(self._columns_of.get(job, ()), input_hash))
        return found


def _numbers(store: Store, dataset: Dataset, keys: Sequence[str]) -> list[int]:
    if dataset.schema.key is None:
        raise UsageError(f"{dataset.name} has no key column.", "Choose records by --rows or --where.")
    found = store.datasets.numbers(dataset, keys)
    if unknown := [key for key in keys if key not in found]:
        raise UsageError(f"{dataset.name} has no record with the key {listing(unknown)}.", "Check the keys.")
    return sorted(set(found.values()))


def _within(ranges: Sequence[tuple[int, int]], numbers: Sequence[int]) -> list[tuple[int, int]]:
    return [(number, number) for number in numbers if any(lo <= number <= hi for lo, hi in ranges)]
