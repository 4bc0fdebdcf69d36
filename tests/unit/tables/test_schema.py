import math
from dataclasses import asdict
from datetime import date, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.errors import UsageError
from rowmill.tables.schema import Coercer, Field, Misfit, Schema, field_of, parse_fields, schema_of

_LABELS = ("S", "M", "Extra Large", "5")
_TYPES = ("text", "integer", "number", "boolean", "date", "list", "enum")


def _field(kind: str, *, required: bool = False) -> Field:
    return Field("X", kind, required, _LABELS if kind == "enum" else ())


def _coerced(kind: str, value: Any, *, required: bool = False) -> Any:
    """The value of a column of this type, or the code of the misfit."""
    fitted = Coercer(Schema((_field(kind, required=required),)), ["X"]).coerce([value])
    return fitted.code if isinstance(fitted, Misfit) else fitted[0]


def _message(kind: str, value: Any) -> str:
    misfit = Coercer(Schema((_field(kind),)), ["X"]).coerce([value])
    assert isinstance(misfit, Misfit)
    assert misfit.column == "X"
    return misfit.message


# --- the schema


def test_the_grammar_of_columns_makes_fields() -> None:
    schema = parse_fields(
        ["Price: number", "Seen: Date", "Tags: list", "Size: S | M | L", "Note"], ["Note", "Id"], "Id"
    )
    assert schema.fields == (
        Field("Price", "number"),
        Field("Seen", "date"),
        Field("Tags", "list"),
        Field("Size", "enum", values=("S", "M", "L")),
        Field("Note", "text", required=True),
        Field("Id", "text", required=True),
    )
    assert schema.key == "Id"


def test_required_and_key_mean_a_declared_column_in_any_spelling() -> None:
    schema = parse_fields(["Unit Price: number"], ["unit_price", "unit_price"], "UnitPrice")
    assert schema == Schema((Field("Unit Price", "number", required=True),), "Unit Price")


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (["a: integer", "a: date"], "The column 'a' is declared twice. Leave one out."),
        (["a: dat"], "The column 'a' has the unknown type 'dat'. Did you mean 'date'? A type is 'text', "),
        (["a: enum"], "The column 'a' has the unknown type 'enum'."),
        (["a: x | X"], "The column 'a' has the label 'x' twice"),
        ([": date"], "The column ': date' has no name."),
    ],
)
def test_columns_that_are_refused(columns: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_fields(columns, [], None)
    assert str(caught.value).startswith(sentence)


@given(
    st.lists(st.builds(Field, st.text(min_size=1), st.sampled_from(_TYPES[:-1]), st.booleans())),
    st.none() | st.text(min_size=1),
)
def test_a_schema_survives_json(fields: list[Field], key: str | None) -> None:
    schema = Schema((*fields, _field("enum")), key)
    assert schema_of(orjson.loads(orjson.dumps(schema.as_json()))) == schema


def test_no_schema_asks_for_nothing() -> None:
    assert schema_of(None) == schema_of({}) == Schema()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": ""}, "A field of the schema has no name."),
        ({"name": 5}, "A field of the schema has no name."),
        ({"type": "intger"}, "The column 'a' has the unknown type 'intger'. Did you mean 'integer'?"),
        ({"type": None}, "The column 'a' has the unknown type None. A type is 'text', "),
        ({"required": "no"}, "The column 'a' has 'no' for 'required'."),
        ({"type": "enum"}, "The column 'a' has no proper values."),
        ({"type": "enum", "values": ["x", 5]}, "The column 'a' has no proper values."),
        ({"values": ["x"]}, "The column 'a' has no proper values."),
    ],
)
def test_fields_that_are_refused(changed: dict[str, Any], sentence: str) -> None:
    raw = asdict(Field("a", "text"))
    assert field_of(raw) == Field("a", "text")
    with pytest.raises(UsageError) as caught:
        field_of(raw | changed)
    assert str(caught.value).startswith(sentence)


def test_merging_replaces_fields_of_the_same_name_and_appends_new_ones() -> None:
    old = Schema((Field("a", "text"), Field("b", "date")), "a")
    assert old.merged(Schema((Field("c", "list"), Field("a", "integer", required=True)))) == Schema(
        (Field("a", "integer", required=True), Field("b", "date"), Field("c", "list")), "a"
    )
    assert old.merged(Schema(key="b")).key == "b"
    assert old.merged(Schema()) == old


def test_merging_keeps_the_spelling_that_is_there() -> None:
    old = Schema((Field("Unit Price", "text"),), "Id")
    new = Schema((Field("unit_price", "number"), Field("ID", "integer")), "ID")
    assert old.merged(new) == Schema((Field("Unit Price", "number"), Field("Id", "integer")), "Id")


def test_a_schema_names_its_fields_and_its_key() -> None:
    assert Schema((Field("a", "text"),), "b").names == ["a", "b"]
    assert Schema((Field("a", "text"),), "a").names == ["a"]


# --- values


@pytest.mark.parametrize(
    ("kind", "value", "coerced"),
    [
        ("text", " 007 ", " 007 "),
        ("text", "", ""),
        ("text", 7, 7),
        ("integer", " 007 ", 7),
        ("integer", "-12", -12),
        ("integer", "+12", 12),
        ("integer", "7.0", 7),
        ("integer", "1,234,567", 1234567),
        ("integer", "-1 234", -1234),
        ("integer", "1\u202f234\u00a0567", 1234567),
        ("integer", 7, 7),
        ("integer", 7.0, 7),
        ("integer", "9223372036854775807", 2**63 - 1),
        ("integer", "-9223372036854775808", -(2**63)),
        ("number", "5", 5),
        ("number", "-5", -5),
        ("number", " 5.50 ", 5.5),
        ("number", ".5", 0.5),
        ("number", "5.", 5.0),
        ("number", "1e3", 1000.0),
        ("number", "-1.5E-3", -0.0015),
        ("number", "1,234,567", 1234567),
        ("number", 7, 7),
        ("number", 2.5, 2.5),
        ("boolean", " TRUE ", True),
        ("boolean", "Yes", True),
        ("boolean", "y", True),
        ("boolean", "T", True),
        ("boolean", "1", True),
        ("boolean", "on", True),
        ("boolean", "False", False),
        ("boolean", "NO", False),
        ("boolean", "n", False),
        ("boolean", "f", False),
        ("boolean", "0", False),
        ("boolean", "Off", False),
        ("boolean", True, True),
        ("boolean", 0, False),
        ("boolean", 1.0, True),
        ("date", " 2026-01-02 ", "2026-01-02"),
        ("date", "20260102", "2026-01-02"),
        ("date", "2026-01-02 03:04", "2026-01-02T03:04:00"),
        ("date", "2026-01-02T03:04:05.500", "2026-01-02T03:04:05.500000"),
        ("date", "2026-01-02t03:04:05z", "2026-01-02T03:04:05+00:00"),
        ("date", "20260102T030405+0100", "2026-01-02T03:04:05+01:00"),
        ("date", "2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789+00:00"),
        ("date", "2026-01-02T03:04:05.123456000", "2026-01-02T03:04:05.123456"),
        ("list", "Red|Blue", ["Red", "Blue"]),
        ("list", " Red || dark  blue | ", ["Red", "dark  blue"]),
        ("list", "Red, Blue", ["Red, Blue"]),
        ("list", "|", []),
        ("list", ' ["a|b", 5] ', ["a|b", 5]),
        ("list", "[1] or 2", ["[1] or 2"]),
        ("list", ["a", None], ["a", None]),
        ("enum", "M", "M"),
        ("enum", " m ", "M"),
        ("enum", "extra \t LARGE", "Extra Large"),
        ("enum", 5, "5"),
        ("enum", 5.0, "5"),
    ],
)
def test_what_is_taken(kind: str, value: Any, coerced: Any) -> None:
    fitted = _coerced(kind, value)
    assert fitted == coerced
    assert type(fitted) is type(coerced)


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("integer", "12a", "not_integer"),
        ("integer", "1,234", "not_integer"),
        ("integer", "12,34,567", "not_integer"),
        ("integer", "0,123,456", "not_integer"),
        ("integer", "1,234 567", "not_integer"),
        ("integer", "7.5", "not_integer"),
        ("integer", "7.00", "not_integer"),
        ("integer", "1_000", "not_integer"),
        ("integer", "١٢", "not_integer"),
        ("integer", "²", "not_integer"),
        ("integer", "+", "not_integer"),
        ("integer", 7.5, "not_integer"),
        ("integer", True, "not_integer"),
        ("integer", [7], "not_integer"),
        ("integer", math.inf, "not_integer"),
        ("integer", "9223372036854775808", "too_large"),
        ("integer", "9" * 5000, "too_large"),
        ("integer", 2**63, "too_large"),
        ("integer", 1e19, "too_large"),
        ("number", "1,5", "not_number"),
        ("number", "1,234", "not_number"),
        ("number", "NaN", "not_number"),
        ("number", "-Infinity", "not_number"),
        ("number", ".", "not_number"),
        ("number", "1e", "not_number"),
        ("number", "0x10", "not_number"),
        ("number", "1_0.5", "not_number"),
        ("number", False, "not_number"),
        ("number", "1e400", "too_large"),
        ("number", math.inf, "too_large"),
        ("number", "123456789012345678901", "too_large"),
        ("boolean", "2", "not_boolean"),
        ("boolean", "yeah", "not_boolean"),
        ("boolean", 2, "not_boolean"),
        ("boolean", [1], "not_boolean"),
        ("date", "01/02/2026", "not_date"),
        ("date", "2026-02-30", "not_date"),
        ("date", "2026-W05", "not_date"),
        ("date", "2026-01-02-05:00", "not_date"),
        ("date", "2026-01-02x03:04", "not_date"),
        ("date", "2026", "not_date"),
        ("date", "yesterday", "not_date"),
        ("date", 46054, "not_date"),
        ("list", "['a']", "not_list"),
        ("list", "[1e400]", "not_list"),
        ("list", "[" * 300 + "]" * 300, "not_list"),
        ("list", "[12345678901234567890123]", "too_large"),
        ("list", 5, "not_list"),
        ("list", {"a": 1}, "not_list"),
        ("enum", "XXL", "not_in_list"),
        ("enum", True, "not_in_list"),
        ("enum", ["S"], "not_in_list"),
    ],
)
def test_what_is_refused(kind: str, value: Any, code: str) -> None:
    assert _coerced(kind, value) == code


@pytest.mark.parametrize("kind", _TYPES)
@pytest.mark.parametrize("value", ["", " \t", None])
def test_an_empty_value_is_none_and_missing_where_required(kind: str, value: str | None) -> None:
    assert _coerced(kind, value) == (value if kind == "text" else None)
    assert _coerced(kind, value, required=True) == "missing"


def test_an_empty_list_is_missing_but_false_and_zero_are_not() -> None:
    assert _coerced("list", "[]", required=True) == "missing"
    assert _coerced("boolean", "no", required=True) is False
    assert _coerced("integer", "0", required=True) == 0


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("integer", "12a", "'12a' in the column 'X' is not an integer."),
        (
            "integer",
            "1,234",
            "'1,234' in the column 'X' is not an integer; write decimals after a point, and thousands without a comma.",
        ),
        ("number", [1, "é"], "[1, \"é\"] in the column 'X' is not a number."),
        ("number", "a" * 50, f"'{'a' * 40}…' in the column 'X' is not a number."),
        ("integer", 10**50, f"1{'0' * 39}… in the column 'X' is beyond the integers of 64 bits."),
        ("boolean", "maybe", "'maybe' in the column 'X' is neither true nor false."),
        ("date", "01/02/2026", "'01/02/2026' in the column 'X' is not a date; write 2026-02-01 or 2026-01-02."),
        ("date", "25.1.2026", "'25.1.2026' in the column 'X' is not a date; write 2026-01-25."),
        ("date", "1/25/2026", "'1/25/2026' in the column 'X' is not a date; write 2026-01-25."),
        ("date", "99/99/2026", "'99/99/2026' in the column 'X' is not a date; write it like 2026-02-01."),
        ("list", "['a']", "\"['a']\" in the column 'X' is not a JSON array; write it like a | b."),
        (
            "enum",
            "extra larg",
            "'extra larg' in the column 'X' is none of 'S', 'M', 'Extra Large', '5'. Did you mean 'Extra Large'?",
        ),
        ("enum", True, "true in the column 'X' is none of 'S', 'M', 'Extra Large', '5'."),
    ],
)
def test_a_misfit_says_what_is_wrong_and_what_would_be_right(kind: str, value: Any, message: str) -> None:
    assert _message(kind, value) == message


# --- rows


def test_only_typed_columns_are_touched() -> None:
    schema = Schema((Field("Stock", "integer"), Field("Note", "text")))
    row = ["007", "007", " ", None, 5]
    assert Coercer(schema, ["Id", "Stock", "Note", "X", "Y"]).coerce(row) == ["007", 7, " ", None, 5]


def test_a_schema_without_anything_to_do_gives_the_row_back() -> None:
    coercer = Coercer(Schema((Field("Stock", "integer"), Field("Id", "text"))), ["Id", "Price"])
    row = ["", " 1"]
    assert not coercer.active
    assert coercer.coerce(row) is row
    assert row == ["", " 1"]


def test_what_a_short_row_lacks_is_none() -> None:
    schema = Schema((Field("b", "integer"),))
    assert Coercer(schema, ["a", "b", "c"]).coerce([]) == [None, None]
    misfit = Coercer(Schema((Field("c", "text", required=True),)), ["a", "b", "c"]).coerce(["x"])
    assert misfit == Misfit("c", "missing", "The column 'c' is required, but empty here.")


def test_a_required_column_that_is_not_there_is_missing_in_every_row() -> None:
    coercer = Coercer(Schema((Field("b", "text", required=True),)), ["a"])
    assert coercer.active
    assert coercer.coerce(["x"]) == Misfit("b", "missing", "The column 'b' is required, but empty here.")


def test_the_first_misfit_is_returned_and_missing_ones_come_last() -> None:
    coercer = Coercer(
        Schema((Field("c", "boolean"), Field("b", "date"), Field("a", "text", required=True))), ["a", "b", "c"]
    )
    codes = [getattr(coercer.coerce(row), "code", None) for row in (["", "x", "x"], ["", "", "x"], ["", "", ""])]
    assert codes == ["not_date", "not_boolean", "missing"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
_TELLING = st.from_regex(
    r" ?[-+]?[0-9]{1,4}([,. /-][0-9]{1,3}){0,3}([T ][0-9:]{2,8}(\.[0-9]{1,9})?Z?)?"
    r"| ?(yes|OFF|m|extra large|a\|b|\[1\])",
    fullmatch=True,
)


@given(st.lists(st.tuples(st.sampled_from(_TYPES), st.booleans(), _JSON | _TELLING), max_size=5))
def test_a_coerced_row_stays_as_it_is_and_can_be_written(cells: list[tuple[str, bool, Any]]) -> None:
    columns = [str(place) for place in range(len(cells))]
    fields = [
        Field(column, kind, required, _LABELS if kind == "enum" else ())
        for column, (kind, required, _) in zip(columns, cells, strict=True)
    ]
    coercer = Coercer(Schema(tuple(fields)), columns)
    fitted = coercer.coerce([value for *_, value in cells])
    if isinstance(fitted, Misfit):
        assert fitted.column in columns
        assert fitted.message
        return
    again = coercer.coerce(fitted.copy())
    assert repr(again) == repr(fitted)  # 1 and 1.0 and True are equal, but not the same
    typed = [value for (kind, *_), value in zip(cells, fitted, strict=True) if kind not in ("text", "list")]
    assert orjson.loads(orjson.dumps(typed)) == typed


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_survive_as_text(number: int) -> None:
    assert _coerced("integer", str(number)) == _coerced("number", f" {number} ") == number
    grouped = f"{number:,}"
    if grouped.count(",") != 1:
        assert _coerced("integer", grouped) == number
    assert _coerced("integer", grouped.replace(",", " ")) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_as_text(number: float) -> None:
    assert repr(_coerced("number", repr(number))) == repr(number)


_ZONES = st.none() | st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.dates(), st.datetimes(timezones=_ZONES))
def test_dates_survive_as_text(day: date, moment: datetime) -> None:
    assert _coerced("date", day.isoformat()) == day.isoformat()
    assert _coerced("date", f" {moment.isoformat(' ')}") == moment.isoformat()


@given(st.lists(st.text()))
def test_lists_survive_as_json(items: list[str]) -> None:
    assert _coerced("list", orjson.dumps(items).decode()) == items
