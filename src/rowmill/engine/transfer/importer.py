"""Moves the lines of a file into a dataset: read, matched with its columns, coerced, merged by key, committed.

The file is read in order, so that an execution goes on at the first line that none before has brought in.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, cast

import orjson

from rowmill.core.commit import Claim, ControlState
from rowmill.core.errors import InputError
from rowmill.core.job import Job
from rowmill.core.template import written
from rowmill.core.transfer import ImportBatch, RejectedLine, Source
from rowmill.engine.inputs import result_columns
from rowmill.engine.transfer.leftovers import sweep
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Malformed, Reader, ReaderFactory
from rowmill.plugins.registry import load
from rowmill.tables.headers import match_headers
from rowmill.tables.schema import Coercer, Misfit, Schema
from rowmill.tables.source import content_hash, open_path

BATCH = 5000
_BACKLOG = 1000
REST = "_rest"
"""Under this name a malformed line keeps what no column holds. A line in which that is filled is not mended yet."""

OWN_COLUMNS = ("_row", "_status", "_error", REST)
"""What Rowmill adds to the files that it writes; no part of the table when such a file is read again."""

Row = list[Any] | Malformed


class Importer:
    trouble = "input"

    def __init__(self, store: Store, claim: Claim, job: Job, watch: Callable[[int], None]) -> None:
        assert job.source is not None
        self._store = store
        self._claim = claim
        self._job = job
        self._source = job.source
        self._watch = watch
        self._file: BinaryIO | None = None
        self._backlog_after: tuple[float, int] = (-1.0, 0)
        self._backlog_left = True
        self._ended = False

    @property
    def done(self) -> bool:
        return self._ended

    def open(self) -> None:
        """Opens the file at the first line that was not read yet. Raises ``InputError``."""
        self.close()
        dataset = self._store.datasets.get(self._job.dataset)
        position = self._store.browse.job(self._job.pk).position
        next_line = self._store.transfers.next_row(self._claim)
        results = result_columns(self._store, dataset)
        self._fitter = Fitter(dataset.schema, position.columns or dataset.columns, results)
        self._rows: Iterator[Row] | None = None
        self._ended = next_line is None
        if next_line is not None and not self._store.transfers.only_again(self._claim):
            self._file = _opened(self._source)
            factory: ReaderFactory = load("readers", self._source.format)
            self._reader: Reader = factory(self._file, self._source.name)
            self._rows = islice(self._reader.rows(), next_line - 1, None)
            self._read_to = next_line - 1

    def step(self) -> ControlState | None:
        """Brings in the next batch: rows that are to be tried again first."""
        intake = self._again() if self._backlog_left else None
        if intake is None:
            if self._rows is None:
                if self._ended:
                    self.discard()
                return None
            intake = self._next()
        return self._store.transfers.commit_import_batch(self._claim, intake, self._store.clock())

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        self.close()
        sweep(self._store, self._job)

    def _next(self) -> ImportBatch:
        assert self._rows is not None
        self._watch(0)
        rows = list(islice(self._rows, BATCH))
        first = self._read_to + 1
        self._read_to += len(rows)
        intake = self._fitter.fit(self._reader.columns, range(first, self._read_to + 1), rows)
        intake.read_to = self._read_to
        intake.total = self._reader.total
        if len(rows) < BATCH:
            intake.total = self._read_to
            self._rows = None
            self._ended = True
        return intake

    def _again(self) -> ImportBatch | None:
        """Rows that were refused before and are to be tried again: those that the same columns were read of."""
        dues = self._store.ledger.backlog(self._claim, self._backlog_after, _BACKLOG)
        header: list[str] | None = None
        numbers: list[int] = []
        rows: list[Row] = []
        for due in dues:
            values = due.task.carried or {}
            if header is not None and list(values) != header:
                break
            header = list(values)
            numbers.append(due.task.number)
            rows.append(list(values.values()))
            self._backlog_after = (due.at, due.task.number)
        if header is None:
            self._backlog_left = False
            return None
        intake = self._fitter.fit(header, numbers, rows)
        intake.retried = True
        return intake


class Fitter:
    """Fits rows of a file to the columns and the schema of a dataset. ``columns`` are the dataset's; what the file has
    besides joins them at the end. Columns that jobs have filled (``results``) are passed over: an exported dataset may
    be mended and imported again."""

    def __init__(self, schema: Schema, columns: Sequence[str], results: Collection[str] = ()) -> None:
        self._schema = schema
        self._results = results
        self.columns = list(columns)
        self._header: list[str] | None = None

    def fit(self, header: Sequence[str], numbers: Sequence[int], rows: Sequence[Row]) -> ImportBatch:
        """``rows`` with their ``numbers``; their values stand in the order of ``header``."""
        if self._header != header:
            self._learn(header)
        intake = ImportBatch(columns=list(self.columns), covered=self._covered)
        if not self._coercer.active and self._places is None and self._fit_plain(intake, numbers, rows):
            return intake
        fitting = []
        for number, row in zip(numbers, rows, strict=True):
            fitted = self._fitted(number, row)
            if isinstance(fitted, RejectedLine):
                intake.refused.append(fitted)
                continue
            fitting.append(number)
            if self._key_at is not None:
                intake.keys.append(written(fitted[self._key_at]))
            intake.data.append(orjson.dumps(fitted).decode())
        intake.numbers = fitting
        return intake

    def _fit_plain(self, intake: ImportBatch, numbers: Sequence[int], rows: Sequence[Row]) -> bool:
        """All ``rows`` at once, where nothing is asked of them; ``False`` where one of them needs a closer look."""
        if any(type(row) is not list for row in rows):
            return False
        lists = cast("Sequence[list[Any]]", rows)
        for row in lists:
            while row and row[-1] is None:
                row.pop()
        at = self._key_at
        if at is not None:
            keys = [row[at] if len(row) > at else None for row in lists]
            if not all(type(key) is str and key for key in keys):
                return False
            intake.keys = cast("list[str]", keys)
        intake.numbers = numbers
        intake.data = [orjson.dumps(row).decode() for row in lists]
        return True

    def _learn(self, header: Sequence[str]) -> None:
        """Finds out which column of the dataset each column of the file is."""
        self._header = list(header)
        names = match_headers(header, list(dict.fromkeys([*self.columns, *self._schema.names])))
        over = {*OWN_COLUMNS, *self._results}
        kept = [(place, name) for place, name in enumerate(names) if name not in over]
        self.columns += [name for _, name in kept if name not in self.columns]
        place_of = {name: place for place, name in kept}
        places = [place_of.get(name) for name in self.columns]
        self._covered = None if None not in places else [at for at, place in enumerate(places) if place is not None]
        self._places = None if places == list(range(len(header))) else places
        self._rest_at = names.index(REST) if REST in names else None
        self._coercer = Coercer(self._schema, self.columns)
        key = self._schema.key
        self._key_at = None if key is None else [*self.columns, key].index(key)

    def _fitted(self, number: int, row: Row) -> list[Any] | RejectedLine:
        """The row's values by the dataset's columns, without trailing nulls, or why it does not fit."""
        if isinstance(row, Malformed):
            values = self._raw(row.values) | {REST: row.rest or [row.message]}
            return RejectedLine(number, "malformed", f"Line {row.line} {row.message}.", values)
        if self._rest_at is not None and len(row) > self._rest_at and row[self._rest_at]:
            said = f"What stands in {REST} belongs to no column: put it where it belongs, and empty {REST}."
            return RejectedLine(number, "malformed", said, self._raw(row))
        fitted = self._coercer.coerce(self._placed(row))
        if isinstance(fitted, Misfit):
            return RejectedLine(number, fitted.code, fitted.message, self._raw(row))
        while fitted and fitted[-1] is None:
            fitted.pop()
        if self._key_at is not None and (len(fitted) <= self._key_at or not written(fitted[self._key_at])):
            said = f"The key column {self._schema.key!r} is empty here."
            return RejectedLine(number, "missing_key", said, self._raw(row))
        return fitted

    def _placed(self, row: list[Any]) -> list[Any]:
        if self._places is None:
            return row.copy()
        size = len(row)
        return [row[place] if place is not None and place < size else None for place in self._places]

    def _raw(self, row: list[Any]) -> dict[str, Any]:
        return dict(zip(self._header or (), row, strict=False))


def _opened(source: Source) -> BinaryIO:
    file = open_path(source.location, source.name)
    if content_hash(file, source.format) != source.content_hash:
        file.close()
        raise InputError(
            f"{source.name} is not the file any more that the import began with.",
            "Put that one back and resume, or cancel the import and begin another.",
        )
    file.seek(0)
    return file
