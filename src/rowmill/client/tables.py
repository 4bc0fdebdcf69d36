"""Tables in every way they may be given: a file's path, a list of dicts, or a frame of polars, pandas or Arrow."""

import io
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias

import orjson

from rowmill.client.exchange import Upload
from rowmill.core.errors import UsageError

Table: TypeAlias = str | Path | Iterable[Mapping[str, Any]] | Any
"""A path, an iterable of dicts, or a frame of polars, pandas or Arrow."""

Content: TypeAlias = str | Path | bytes | BinaryIO

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


@dataclass(slots=True)
class Lines:
    """A table as a file of JSON Lines, which vanishes when it is closed."""

    file: IO[bytes]
    rows: int

    @property
    def path(self) -> Path:
        return Path(self.file.name)

    def close(self) -> None:
        self.file.close()


def lines_of(table: Table) -> Lines:
    """Writes the rows of ``table`` down. Raises ``UsageError`` where it is no table, or has no rows."""
    file = tempfile.NamedTemporaryFile(prefix="rowmill-", suffix=".jsonl")  # noqa: SIM115 - Lines closes it
    try:
        rows = 0
        for row in _rows(table):
            file.write(_line(row))
            rows += 1
        if rows == 0:
            raise UsageError("The table has no rows.", "Give at least one.")
        file.flush()
    except BaseException:
        file.close()
        raise
    return Lines(file, rows)


def _rows(table: Any) -> Iterable[Any]:
    if hasattr(table, "collect") and hasattr(table, "collect_schema"):  # a lazy frame of polars
        table = table.collect()
    if hasattr(table, "iter_rows"):  # polars
        return table.iter_rows(named=True)  # type: ignore[no-any-return]
    if hasattr(table, "itertuples"):  # pandas
        return _pandas_rows(table)
    if hasattr(table, "to_batches"):  # Arrow
        return (row for batch in table.to_batches() for row in batch.to_pylist())
    if isinstance(table, Iterable) and not isinstance(table, bytes | Mapping):
        return table
    hint = "Give a path, a list of dicts, or a frame of polars, pandas or Arrow."
    raise UsageError(f"{type(table).__name__} is no table.", hint)


def _pandas_rows(frame: Any) -> Iterable[dict[str, Any]]:
    columns = [str(column) for column in frame.columns]
    plain = frame.astype(object).where(frame.notna(), None)
    return (dict(zip(columns, row, strict=True)) for row in plain.itertuples(index=False, name=None))


def _line(row: Any) -> bytes:
    if not isinstance(row, Mapping):
        raise UsageError(f"A row is a {type(row).__name__}, not a dict.", "Give each row as a dict of its columns.")
    try:
        return orjson.dumps(dict(row), default=_plain, option=_OPTIONS) + b"\n"
    except orjson.JSONEncodeError as error:
        raise UsageError(f"A row holds what JSON cannot: {error}.", "Make plain values of it first.") from error


def _plain(value: Any) -> Any:
    """What JSON does not know, as what comes nearest."""
    if hasattr(value, "isoformat"):  # moments of pandas
        return value.isoformat()
    if hasattr(value, "as_tuple"):  # decimals, which lose nothing as text
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(type(value).__name__)


def upload_of(content: Content) -> tuple[Upload, str | None]:
    """``content`` as a body, and the name of its file where it has one. Raises ``UsageError``."""
    if isinstance(content, bytes):
        return Upload(lambda: io.BytesIO(content), len(content)), None
    if isinstance(content, str | Path):
        path = Path(content)
        if not path.is_file():
            raise UsageError(f"There is no file {path}.", "Check the path.")
        return Upload(lambda: path.open("rb"), path.stat().st_size), path.name
    name = getattr(content, "name", None)
    return _borrowed(content), Path(name).name if isinstance(name, str) else None


def _borrowed(file: BinaryIO) -> Upload:
    """Sends ``file`` from where it stands; it belongs to the caller, and is left open."""
    if not file.seekable():
        return Upload(lambda: nullcontext(file), again=False)
    start = file.tell()

    def begin() -> AbstractContextManager[BinaryIO]:
        file.seek(start)
        return nullcontext(file)

    return Upload(begin)
