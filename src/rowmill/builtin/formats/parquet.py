"""Parquet, read by batches and written by row groups, so that memory does not grow with the table."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import orjson
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from rowmill.builtin.formats.arrow_values import is_json, json_field, values_of
from rowmill.builtin.formats.header import check_different
from rowmill.core.errors import InputError
from rowmill.plugins.contracts import Layout, Malformed

_BATCH = 2000
_BUFFER = 1 << 20
_ROW_GROUP = 1 << 23
"""Bytes of spooled JSON."""
_EXACT = 2**53
"""Up to here a double holds every integer."""


class ParquetReader:
    """Reads Parquet. What JSON does not know becomes text (see ``arrow_values``); columns that ``ParquetWriter``
    marked as JSON come back as the values they were."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Reads the schema. Raises ``InputError`` where there is none, and where it names a column twice."""
        self._name = name
        with self._readable():
            self._file = pq.ParquetFile(file, buffer_size=_BUFFER)
            self._schema = self._file.schema_arrow
        self.columns: list[str] = self._schema.names
        self.total: int | None = self._file.metadata.num_rows
        check_different(self.columns, name)

    def rows(self) -> Iterator[list[Any] | Malformed]:
        """Each row's values. Raises ``InputError`` for damaged data and for types that no value of a table can be."""
        batches = self._file.iter_batches(_BATCH)
        while (rows := self._next_rows(batches)) is not None:
            yield from rows

    def _next_rows(self, batches: Iterator[Any]) -> Iterable[list[Any]] | None:
        with self._readable():
            batch = next(batches, None)
            if batch is None:
                return None
            columns = [values_of(field, array) for field, array in zip(self._schema, batch.columns, strict=True)]
            return map(list, zip(*columns, strict=True))

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            message = f"{self._name} cannot be read as Parquet: {reason}."
            raise InputError(message, "Check that the file is whole, or convert it to CSV.") from error


class ParquetWriter:
    """Writes Parquet. A column's type is the narrowest that holds all its values exactly: boolean, int64, uint64,
    double, text or list of text; any other column holds JSON text and is marked as such.

    What that type is shows only with the last row: rows are put aside in a temporary file until ``close``.
    """

    resumable = False

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._columns = [_Column(name) for name in layout.columns]
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed, and so gone, in close or with the writer

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        for column, values in zip(self._columns, zip(*rows, strict=True), strict=bool(rows)):
            column.note(values)
        self._spool.write(b"".join([orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows]))

    def close(self) -> None:
        fields = [column.field() for column in self._columns]
        with self._spool, pq.ParquetWriter(self._file, pa.schema(fields), compression="zstd") as writer:
            self._spool.seek(0)
            while lines := self._spool.readlines(_ROW_GROUP):
                columns = zip(*map(orjson.loads, lines), strict=True)
                arrays = [_array(field, values) for field, values in zip(fields, columns, strict=True)]
                writer.write_table(pa.table(arrays, schema=writer.schema))


class _Column:
    """What the values of a column have been so far."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._types: set[type] = set()
        self._smallest = 0
        self._largest = 0
        self._lists_of_text = True

    def note(self, values: Sequence[Any]) -> None:
        types = set(map(type, values))
        self._types |= types
        if int in types:
            integers = [value for value in values if type(value) is int]
            self._smallest = min(self._smallest, *integers)
            self._largest = max(self._largest, *integers)
        if list in types and self._lists_of_text:
            texts_only = {str, type(None)}.issuperset
            self._lists_of_text = all(texts_only(map(type, value)) for value in values if type(value) is list)

    def field(self) -> Any:
        """Its Arrow field."""
        types = self._types - {type(None)}
        kind = None
        if types <= {str}:
            kind = pa.string()
        elif types == {bool}:
            kind = pa.bool_()
        elif types == {int}:
            kind = self._integer()
        elif types == {float} or (types == {int, float} and self._exact()):
            kind = pa.float64()
        elif types == {list} and self._lists_of_text:
            kind = pa.list_(pa.string())
        return json_field(self._name) if kind is None else pa.field(self._name, kind)

    def _integer(self) -> Any:
        if self._largest < 2**63:
            return pa.int64()
        return pa.uint64() if self._smallest >= 0 else None

    def _exact(self) -> bool:
        return max(-self._smallest, self._largest) <= _EXACT


def _array(field: Any, values: Sequence[Any]) -> Any:
    if is_json(field):
        values = [None if value is None else orjson.dumps(value).decode() for value in values]
    return pa.array(values, field.type)
