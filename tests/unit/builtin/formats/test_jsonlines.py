import io
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.builtin.formats.jsonlines import JsonLinesReader, JsonLinesWriter
from rowmill.model.errors import InputError

Table = tuple[list[str], list[list[Any]]]


def read(content: str | bytes) -> Table:
    reader = JsonLinesReader(io.BytesIO(content.encode() if isinstance(content, str) else content), "t.jsonl")
    rows = list(reader.rows())
    return reader.columns, rows


def write(columns: list[str], rows: list[list[Any]]) -> bytes:
    file = io.BytesIO()
    writer = JsonLinesWriter(file, columns)
    writer.write(rows)
    writer.close()
    return file.getvalue()


# --- what is written is read back the same

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
INTEGER = st.integers(-(2**63), 2**64 - 1)
VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), INTEGER, st.floats(allow_nan=False, allow_infinity=False), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = draw(st.lists(TEXT, min_size=1, max_size=5, unique=True))
    return columns, draw(
        st.lists(st.lists(VALUE, min_size=len(columns), max_size=len(columns)), min_size=1, max_size=8)
    )


@given(tables())
def test_rows_come_back_as_they_were_written(table: Table) -> None:
    assert read(write(*table)) == table


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), VALUE), min_size=1, max_size=8))
def test_objects_with_other_keys_each_lose_nothing(objects: list[dict[str, Any]]) -> None:
    columns, rows = read(b"\n".join(map(orjson.dumps, objects)))
    assert columns == list(dict.fromkeys(key for each in objects for key in each))
    for each, row in zip(objects, rows, strict=True):
        padded = dict(zip(columns, row + [None] * (len(columns) - len(row)), strict=True))
        assert padded == {column: each.get(column) for column in columns}


@given(st.binary(max_size=60))
def test_any_bytes_give_rows_or_an_input_error(content: bytes) -> None:
    try:
        columns, rows = read(content)
    except InputError as error:
        refusal = error
    else:
        assert all(len(row) <= len(columns) for row in rows)
        return
    assert "t.jsonl" in refusal.message
    assert refusal.hint


@given(st.integers(-(10**25), 10**25))
def test_an_integer_is_read_exactly_or_refused(number: int) -> None:
    line = json.dumps({"n": [number]})
    if -(2**63) <= number < 2**64:
        assert read(line)[1] == [[[number]]]
    else:
        with pytest.raises(InputError, match=rf"^Line 1 of t.jsonl holds the integer {number}, beyond 64 bits"):
            read(line)


# --- lines, keys and columns


def test_columns_stand_in_the_order_of_their_first_appearance() -> None:
    content = '{"b":1,"a":2}\n{"a":3,"b":4}\n{"c":5}\n{"b":6,"a":7,"c":8}\n'
    assert read(content) == (["b", "a", "c"], [[1, 2], [4, 3], [None, None, 5], [6, 7, 8]])


def test_the_first_object_gives_the_first_columns_before_any_row_is_asked_for() -> None:
    assert JsonLinesReader(io.BytesIO(b'\n{"a":1}\n{"b":2}\n'), "t.jsonl").columns == ["a"]


def test_bom_blank_lines_and_carriage_returns_are_no_content() -> None:
    assert read(b'\xef\xbb\xbf\r\n{"a":1}\r\n \n\n{"a":2}') == (["a"], [[1], [2]])


def test_of_a_key_given_twice_the_last_counts() -> None:
    assert read('{"a":1,"a":2}\n') == (["a"], [[2]])


def test_long_digits_in_text_and_fractions_are_no_integers() -> None:
    assert read('{"a":"12345678901234567890123","b":0.12345678901234567890123}')[1] == [
        ["12345678901234567890123", 0.12345678901234567890123]
    ]


def test_rows_can_be_read_again() -> None:
    reader = JsonLinesReader(io.BytesIO(b'{"a":1}\n{"b":2}\n'), "t.jsonl")
    assert list(reader.rows()) == [[1], [None, 2]]
    assert list(reader.rows()) == [[1, None], [None, 2]]
    assert reader.columns == ["a", "b"]


# --- refusals


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
def test_a_file_without_objects_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^t.jsonl is empty\."):
        read(content)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"[1,2]", "is a list, not a JSON object."),
        (b'"x"', "is a string, not a JSON object."),
        (b"17", "is a number, not a JSON object."),
        (b"true", "is true or false, not a JSON object."),
        (b"null", "is null, not a JSON object."),
        (b'{"a":NaN}', "holds NaN, which JSON does not know."),
        (b'{"a":[-Infinity]}', "holds -Infinity, which JSON does not know."),
        (b'{"a":"K\xf6ln"}', "is not UTF-8."),
        (b'{"a":1', "is not valid JSON (unexpected end of data, character 7)."),
        (b'{"a":1} {"a":2}', "is not valid JSON (unexpected content after document, character 9)."),
        (b'{"a":1e999}', "is not valid JSON (number is infinity when parsed as double, character 6)."),
        (b'{"a":' + b"9" * 60 + b"}", f"holds the integer {'9' * 40}…, beyond 64 bits."),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_cause(line: bytes, cause: str) -> None:
    with pytest.raises(InputError) as refusal:
        read(b'{"a":1}\n\n' + line + b"\n")
    assert refusal.value.message == f"Line 3 of t.jsonl {cause}"
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("depth", "inner", "cause"),
    [
        (100_000, b"", "is nested too deeply"),
        (100_000, b"NaN", "is nested too deeply"),
        (1010, b"98765432109876543210", "(is nested too deeply|holds the integer 98765432109876543210)"),
    ],
)
def test_nesting_beyond_what_the_parser_reads_is_refused(depth: int, inner: bytes, cause: str) -> None:
    with pytest.raises(InputError, match=f"^Line 1 of t.jsonl {cause}"):
        read(b'{"a":' + b"[" * depth + inner + b"]" * depth + b"}")


# --- writer


def test_each_object_has_every_column() -> None:
    rows: list[list[Any]] = [[1, None], [{"k": [True]}, "ö\n"]]
    assert write(["a", "b"], rows).decode() == '{"a":1,"b":null}\n{"a":{"k":[true]},"b":"ö\\n"}\n'


def test_a_row_that_does_not_fit_the_columns_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="shorter"):
        write(["a", "b"], [[1]])


# --- what is read can be written again


def nested(levels: int, inner: str = "") -> str:
    """An object of so many levels, itself the first."""
    return '{"a":' + "[" * (levels - 1) + inner + "]" * (levels - 1) + "}"


def test_the_deepest_object_that_can_be_written_is_read() -> None:
    columns, rows = read(nested(254))
    assert write(columns, rows).decode() == nested(254) + "\n"


@pytest.mark.parametrize("inner", ["", "1" * 30])
@pytest.mark.parametrize("levels", [255, 1000, 100_000])
def test_an_object_too_deep_to_be_written_again_is_refused(levels: int, inner: str) -> None:
    with pytest.raises(InputError, match=r"^Line 2 of t.jsonl (is nested too deeply|holds the integer)"):
        read('{"a":1}\n' + nested(levels, inner))


def test_many_flat_lists_are_not_deep() -> None:
    assert read('{"a":[' + ",".join(["[]"] * 1000) + "]}") == (["a"], [[[[]] * 1000]])
