import math
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from rowmill.builtin.formats.arrow_values import is_json, json_field, values_of


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (pa.array([2**64 - 1, None], pa.uint64()), [2**64 - 1, None]),
        (pa.array([1.5, math.nan, math.inf, -math.inf, None]), [1.5, "NaN", "Infinity", "-Infinity", None]),
        (pa.array([1.5], pa.float16()), [1.5]),
        (pa.array(["a", "b", "a", None]).dictionary_encode(), ["a", "b", "a", None]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array([None], pa.null()), [None]),
        (pa.array(["12.50", "0.00", None]).cast(pa.decimal128(38, 2)), ["12.50", "0.00", None]),
        (pa.array(["0.00000000"]).cast(pa.decimal128(20, 8)), ["0.00000000"]),
        (pa.array(["12", "-9223372036854775808"]).cast(pa.decimal128(38, 0)), [12, -(2**63)]),
        (pa.array(["18446744073709551616"]).cast(pa.decimal128(38, 0)), ["18446744073709551616"]),
        (pa.array([0, -1, None], pa.date32()), ["1970-01-01", "1969-12-31", None]),
        (pa.array([61_500], pa.time32("ms")), ["00:01:01.5"]),
        (pa.array([1], pa.time64("ns")), ["00:00:00.000000001"]),
        (pa.array([0, 1_500_000], pa.timestamp("us")), ["1970-01-01T00:00:00", "1970-01-01T00:00:01.5"]),
        (pa.array([1, None], pa.timestamp("ns")), ["1970-01-01T00:00:00.000000001", None]),
        (pa.array([0], pa.timestamp("ms", "Europe/Berlin")), ["1970-01-01T00:00:00Z"]),
        (pa.array([253_402_300_800_000], pa.timestamp("ms")), ["10000-01-01T00:00:00"]),
        (pa.array([90, None], pa.duration("s")), ["PT1M30S", None]),
        (pa.array([b"text", b"\xff\x00", None]), ["text", "/wA=", None]),
        (pa.array([b"\xff\x00"], pa.binary(2)), ["/wA="]),
        (pa.array([bytes(range(16))], pa.uuid()), ["00010203-0405-0607-0809-0a0b0c0d0e0f"]),
        (pa.array([[0, 1], None, []], pa.list_(pa.date32())), [["1970-01-01", "1970-01-02"], None, []]),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), [[1, 2], None]),
        (pa.array([{"a": 1, "b": [None]}, None]), [{"a": 1, "b": [None]}, None]),
        (pa.array([{"a": None}, {"a": 1}]), [{"a": None}, {"a": 1}]),
        (pa.array([[("k", 1.5)], None, []], pa.map_(pa.string(), pa.float64())), [{"k": 1.5}, None, {}]),
        (pa.array([[(1, "x")]], pa.map_(pa.int8(), pa.string())), [{"1": "x"}]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)  # fmt: skip
def test_types_that_json_does_not_know_lose_nothing(array: Any, values: list[Any]) -> None:
    assert values_of(pa.field("a", array.type), array) == values
    assert values_of(pa.field("a", array.type), array[1:]) == values[1:]


def test_a_column_marked_as_json_holds_what_its_text_says() -> None:
    field = json_field("a")
    assert is_json(field)
    assert values_of(field, pa.array(['{"k":[1]}', '"x"', None, "null"])) == [{"k": [1]}, "x", None, None]
    assert values_of(pa.field("a", pa.string()), pa.array(['"x"'])) == ['"x"']


@pytest.mark.parametrize(
    "array",
    [
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]),
        pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]),
    ],
    ids=["interval", "fields with one name", "union"],
)
def test_what_has_no_place_in_a_table_is_not_guessed_at(array: Any) -> None:
    with pytest.raises(pa.ArrowTypeError):
        values_of(pa.field("a", array.type), array)
