"""What a job has found: row after row, or as a frame."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from rowmill.client.calls import M, Resource, call
from rowmill.client.errors import Unreachable
from rowmill.client.exchange import TRIES, Close, Emit, Exchange, Read, Request, Sleep, Stream, ask, whole
from rowmill.client.frames import arrow_reader, pandas_reader, polars_reader
from rowmill.client.saving import new_file
from rowmill.client.transport import Async, Sync

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow  # type: ignore[import-untyped]

_SILENCE = 600.0
"""Seconds that a server may take for a file that it writes as a whole before it sends it."""


class Results(Resource[M]):
    """The rows of a job as dicts, all input columns and then the outputs, ``_status`` and ``_error``: iterate over it,
    with ``for`` or ``async for``, as often as you like. Of a job that is not over: as its rows stand then.

    An iteration that a restart of the server interrupts goes on behind the row that it has come to; one over a part of
    the rows (``only``) raises ``Unreachable``, for which these are may have changed meanwhile.
    """

    def __init__(self, transport: M, path: str, only: str | None = None) -> None:
        super().__init__(transport)
        self._path = path
        self._only = only

    def __iter__(self: "Results[Sync]") -> Iterator[dict[str, Any]]:
        return self._transport.stream(self._rows())

    def __aiter__(self: "Results[Async]") -> AsyncIterator[dict[str, Any]]:
        return self._transport.stream(self._rows())

    @call
    def to_list(self) -> Exchange[list[dict[str, Any]]]:
        """All rows as dicts."""
        body = yield from whole(self._request("jsonl"))
        return [orjson.loads(line) for line in body.splitlines()]

    @call
    def to_arrow(self) -> "Exchange[pyarrow.Table]":
        """All rows as an Arrow table. Raises ``UsageError`` if pyarrow is not installed."""
        read = arrow_reader()
        return read((yield from whole(self._request("parquet"))))

    @call
    def to_polars(self) -> "Exchange[polars.DataFrame]":
        """All rows as a polars frame. Raises ``UsageError`` if polars is not installed."""
        read = polars_reader()
        return read((yield from whole(self._request("parquet"))))

    @call
    def to_pandas(self) -> "Exchange[pandas.DataFrame]":
        """All rows as a pandas frame. Raises ``UsageError`` if pandas or pyarrow is not installed."""
        read = pandas_reader()
        return read((yield from whole(self._request("parquet"))))

    @call
    def save(self, path: str | Path, format: str | None = None) -> Exchange[Path]:  # noqa: A002 - the API's word
        """Writes all rows to the file ``path``, which is put in place in one step; the format is told by its suffix."""
        place = Path(path)
        yield from download(self._request(format or place.suffix.removeprefix(".") or "csv"), place)
        return place

    def _request(self, format_: str) -> Request:
        return Request("GET", self._path, {"format": format_, "only": self._only}, silence=_SILENCE)

    def _rows(self) -> Stream[dict[str, Any]]:
        given = attempt = 0
        while True:
            before = given
            try:
                answer = yield from ask(self._request("jsonl"))
                skip = given
                rest = b""
                try:
                    while part := (yield Read(answer)):
                        *lines, rest = (rest + part).split(b"\n")
                        for line in lines[skip:]:
                            given += 1
                            yield Emit(orjson.loads(line))
                        skip = max(0, skip - len(lines))
                    if rest:
                        yield Emit(orjson.loads(rest))
                finally:
                    yield Close(answer)
            except Unreachable:
                attempt = 1 if given > before else attempt + 1
                if attempt == TRIES or (self._only and given):
                    raise
                yield Sleep(1.0)
            else:
                return


def download(request: Request, place: Path) -> Exchange[None]:
    """Writes the body of the response to ``place``, whole or not at all. Raises ``UsageError`` if no file can be
    there."""
    with new_file(place) as file:
        yield from _copied(request, file)


def _copied(request: Request, file: BinaryIO) -> Exchange[None]:
    for attempt in range(1, TRIES + 1):
        file.seek(0)
        file.truncate()
        answer = yield from ask(request)
        try:
            while part := (yield Read(answer)):
                file.write(part)
        except Unreachable:
            if attempt == TRIES:
                raise
        else:
            return
        finally:
            yield Close(answer)
