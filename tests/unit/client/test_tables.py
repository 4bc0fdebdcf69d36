"""Tables in every way they may be given."""

import datetime
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import orjson
import pandas
import polars
import pyarrow  # type: ignore[import-untyped]
import pytest

from rowmill.client.tables import lines_of, upload_of
from rowmill.core.errors import UsageError

DAY = datetime.date(2026, 2, 1)


def rows(table: Any) -> list[Any]:
    lines = lines_of(table)
    try:
        return [orjson.loads(line) for line in lines.path.read_bytes().splitlines()]
    finally:
        lines.close()


@pytest.mark.parametrize("make", [polars.DataFrame, polars.LazyFrame, pyarrow.table, pandas.DataFrame])
def test_frames_of_each_kind_give_the_same_rows(make: Any) -> None:
    table = make({"n": [1, None], "text": ["a", None], "day": [DAY, None], "more": [[1.5], None]})
    expected = [
        {"n": 1, "text": "a", "day": "2026-02-01", "more": [1.5]},
        {"n": None, "text": None, "day": None, "more": None},
    ]
    assert rows(table) == expected


def test_moments_and_numbers_of_pandas_are_plain() -> None:
    frame = pandas.DataFrame({"at": [pandas.Timestamp("2026-02-01T03:04:05Z"), pandas.NaT], "x": [1.5, float("nan")]})
    assert rows(frame) == [{"at": "2026-02-01T03:04:05+00:00", "x": 1.5}, {"at": None, "x": None}]


def test_dicts_may_hold_more_than_json_knows() -> None:
    row = {"price": Decimal("0.10"), "set": {2, 1}, "n": numpy.int64(3), 4: "four"}
    assert rows(iter([row])) == [{"price": "0.10", "set": [1, 2], "n": 3, "4": "four"}]


@pytest.mark.parametrize(
    ("table", "said"),
    [([], "no rows"), ([1], "int"), (3, "no table"), ({"a": [1]}, "no table"), ([{"a": ...}], "JSON")],
)
def test_what_is_no_table_is_refused(table: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        lines_of(table)


def test_the_lines_vanish_when_they_are_closed() -> None:
    lines = lines_of([{"a": 1}])
    assert lines.path.exists()
    lines.close()
    assert not lines.path.exists()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        upload_of(tmp_path / "missing.csv")


def test_an_open_file_has_its_name_and_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"abc")
    with (tmp_path / "a.csv").open("rb") as file:
        upload, name = upload_of(file)
        with upload.open() as opened:
            assert (opened.read(), name, upload.again) == (b"abc", "a.csv", True)
        assert not file.closed


def test_bytes_begin_anew_each_time() -> None:
    upload, name = upload_of(b"abc")
    assert name is None
    for _ in range(2):
        with upload.open() as opened:
            assert opened.read() == b"abc"
    assert isinstance(upload.open(), io.BytesIO)
