"""The rows that a file is written from, page by page, as they stood at one moment of the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from rowmill.core.job import Job
from rowmill.core.status import JobType
from rowmill.core.transfer import ExportSpec
from rowmill.ledger.browse import Settled
from rowmill.ledger.store import Store

STATUS_COLUMN = "_status"
ERROR_COLUMN = "_error"
ROW_COLUMN = "_row"

_PAGE = 5000
_SETTLED = {"succeeded": "succeeded", "failed": "failed"}
"""What an extract takes only, where a row has an outcome for it; unprocessed rows have none."""

_PENDING: Settled = ("pending", None, None, None)
Page = tuple[int, list[Sequence[Any]]]
"""The last row of the source that was looked at, and the lines of those that are taken."""


def record_pages(store: Store, job: Job, extract: ExportSpec, after: int) -> Iterator[Page]:
    """The records that the export ``job`` chose, after its row ``after``, with the results that it sees."""
    dataset = store.datasets.get(job.dataset)
    total = job.counts.total or 0
    columns = dataset.columns
    places = [columns.index(name) if name in columns else None for name, _ in extract.columns]
    for lo in range(after + 1, total + 1, _PAGE):
        hi = min(lo + _PAGE - 1, total)
        rows = store.browse.records(job.pk, lo, hi)
        values = _padded([values for _, _, values in rows], len(columns))
        if None not in places:
            yield hi, _chosen(values, cast("list[int]", places), len(columns))
            continue
        records = [record for _, record, _ in rows]
        results = store.results.values(job.dataset, min(records), max(records), job.result_version)
        wanted = list(zip(places, [name for name, _ in extract.columns], strict=True))
        yield (
            hi,
            [_with_results(row, results.get(record, {}), wanted) for record, row in zip(records, values, strict=True)],
        )


def origin_pages(store: Store, origin: Job, extract: ExportSpec, after: int) -> Iterator[Page]:
    """The rows of the job ``origin``, after its row ``after``, as they stood at the extract's sequence number."""
    assert extract.seq is not None
    imported = origin.type is JobType.IMPORT
    columns = store.datasets.get(origin.dataset).columns
    wanted = [(columns.index(name) if name in columns else None, name) for name, _ in extract.columns]
    added = {*origin.columns, STATUS_COLUMN, ERROR_COLUMN}
    wanted = [(None if name in added or imported else place, name) for place, name in wanted]
    last = origin.counts.total or (origin.counts.processed if imported else 0)
    for lo in range(after + 1, last + 1, _PAGE):
        hi = min(lo + _PAGE - 1, last)
        settled = store.browse.settled(origin.pk, lo, hi, extract.seq, _SETTLED.get(extract.only or ""))
        if imported:
            yield hi, [_with_results([], _added(number, settled[number]), wanted) for number in sorted(settled)]
            continue
        rows = store.browse.records(origin.pk, lo, hi) if settled or extract.only not in _SETTLED else []
        yield (
            hi,
            [
                _with_results(values, _added(number, settled.get(number, _PENDING)), wanted)
                for (number, _, _), values in zip(rows, _padded([row for _, _, row in rows], len(columns)), strict=True)
                if extract.only is None or (number in settled) is (extract.only in _SETTLED)
            ],
        )


def _added(number: int, settled: Settled) -> dict[str, Any]:
    """The output columns of a row, and what a job's file has besides."""
    status, output, code, message = settled
    values = dict(output) if output else {}
    values[ROW_COLUMN] = number
    values[STATUS_COLUMN] = status
    values[ERROR_COLUMN] = f"{code}: {message}" if code else None
    return values


def _padded(rows: list[list[Any]], width: int) -> list[list[Any]]:
    """Rows may be shorter than ``width``: their last values are null."""
    for row in rows:
        if len(row) < width:
            row.extend([None] * (width - len(row)))
    return rows


def _chosen(rows: list[list[Any]], places: list[int], width: int) -> list[Sequence[Any]]:
    """The values at ``places``."""
    if places == list(range(width)):
        return cast("list[Sequence[Any]]", rows)
    if len(places) == 1:
        return [(row[places[0]],) for row in rows]
    return list(map(itemgetter(*places), rows))


def _with_results(
    row: list[Any], results: Mapping[str, Any], wanted: Sequence[tuple[int | None, str]]
) -> Sequence[Any]:
    return [results.get(name) if place is None else row[place] for place, name in wanted]
