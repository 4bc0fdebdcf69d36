import io
import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.builtin.formats.jsonlines import JsonLinesReader, JsonLinesWriter
from rowmill.core.errors import InputError
from rowmill.plugins.contracts import Layout, Malformed

Table = tuple[list[str], list[list[Any]]]


def read_all(content: str | bytes) -> JsonLinesReader:
    return JsonLinesReader(io.BytesIO(content.encode() if isinstance(content, str) else content), "t.jsonl")


def read(content: str | bytes) -> Table:
    """The table, which must be without fault."""
    reader = read_all(content)
    rows = list(reader.rows())
    assert not any(isinstance(row, Malformed) for row in rows)
    return reader.columns, [list(row) for row in rows if not isinstance(row, Malformed)]


def malformed(content: str | bytes) -> Malformed:
    """The one row that is."""
    [row] = [row for row in read_all(content).rows() if isinstance(row, Malformed)]
    return row


def write(columns: list[str], rows: list[list[Any]]) -> bytes:
    file = io.BytesIO()
    writer = JsonLinesWriter(file, Layout(columns))
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
def test_any_bytes_give_rows_malformed_ones_or_an_input_error(content: bytes) -> None:
    try:
        reader = read_all(content)
        rows = list(reader.rows())
    except InputError as error:
        refusal = error
    else:
        assert all(row.hint if isinstance(row, Malformed) else len(row) <= len(reader.columns) for row in rows)
        return
    assert "t.jsonl" in refusal.message
    assert refusal.hint


@given(st.integers(-(10**25), 10**25))
def test_an_integer_is_read_exactly_or_malformed(number: int) -> None:
    line = json.dumps({"n": [number]})
    if -(2**63) <= number < 2**64:
        assert read(line)[1] == [[[number]]]
    else:
        assert malformed(line).message == f"holds the integer {number}, beyond 64 bits"


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


# --- refusals and malformed rows


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
def test_a_file_without_objects_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^t.jsonl is empty\."):
        read(content)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"[1,2]", "is a list, not a JSON object"),
        (b'"x"', "is a string, not a JSON object"),
        (b"17", "is a number, not a JSON object"),
        (b"true", "is true or false, not a JSON object"),
        (b"null", "is null, not a JSON object"),
        (b'{"a":NaN}', "holds NaN, which JSON does not know"),
        (b'{"a":[-Infinity]}', "holds -Infinity, which JSON does not know"),
        (b'{"a":"K\xf6ln"}', "is not UTF-8"),
        (b'{"a":1', "is not valid JSON (unexpected end of data, character 7)"),
        (b'{"a":1} {"a":2}', "is not valid JSON (unexpected content after document, character 9)"),
        (b'{"a":1e999}', "is not valid JSON (number is infinity when parsed as double, character 6)"),
        (b'{"a":' + b"9" * 60 + b"}", f"holds the integer {'9' * 40}…, beyond 64 bits"),
    ],
)
def test_a_bad_line_is_malformed_with_its_number_and_cause(line: bytes, cause: str) -> None:
    rows = list(read_all(b'{"a":1}\n\n' + line + b'\n{"a":2}\n').rows())
    assert [rows[0], rows[2]] == [[1], [2]]
    assert isinstance(rows[1], Malformed)
    assert (rows[1].line, rows[1].message) == (3, cause)
    assert rows[1].hint


def test_a_malformed_first_line_does_not_hide_the_columns() -> None:
    reader = read_all('[1]\n{"a":1}\n')
    assert reader.columns == ["a"]
    assert [isinstance(row, Malformed) for row in reader.rows()] == [True, False]


def test_a_file_of_malformed_lines_alone_has_no_columns() -> None:
    reader = read_all("no\njson\n")
    assert reader.columns == []
    assert [row.line for row in reader.rows() if isinstance(row, Malformed)] == [1, 2]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_refused_as_a_whole(encoding: str) -> None:
    with pytest.raises(InputError, match=r"^t.jsonl is in UTF-16, but JSON Lines is in UTF-8\. Save"):
        read_all('\ufeff{"a":1}\n'.encode(encoding))


@pytest.mark.parametrize(
    ("depth", "inner", "cause"),
    [
        (100_000, b"", "is nested too deeply"),
        (100_000, b"NaN", "is nested too deeply"),
        (1010, b"98765432109876543210", "(is nested too deeply|holds the integer 98765432109876543210)"),
    ],
)
def test_nesting_beyond_what_the_parser_reads_is_malformed(depth: int, inner: bytes, cause: str) -> None:
    assert re.match(cause, malformed(b'{"a":' + b"[" * depth + inner + b"]" * depth + b"}").message)


# --- writer


def test_each_object_has_every_column() -> None:
    rows: list[list[Any]] = [[1, None], [{"k": [True]}, "ö\n"]]
    assert write(["a", "b"], rows).decode() == '{"a":1,"b":null}\n{"a":{"k":[true]},"b":"ö\\n"}\n'


def test_no_cell_needs_to_be_made_safe() -> None:
    file = io.BytesIO()
    JsonLinesWriter(file, Layout(["=a"], safe_cells=True)).write([["=1"]])
    assert file.getvalue() == b'{"=a":"=1"}\n'


@given(tables(), st.data())
def test_a_file_cut_after_any_write_can_be_gone_on_with(table: Table, data: st.DataObject) -> None:
    columns, rows = table
    cut = data.draw(st.integers(0, len(rows)))
    file = io.BytesIO()
    JsonLinesWriter(file, Layout(columns)).write(rows[:cut])
    JsonLinesWriter(file, Layout(columns, resumed=True)).write(rows[cut:])
    assert JsonLinesWriter.resumable
    assert file.getvalue() == write(columns, rows)


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
def test_an_object_too_deep_to_be_written_again_is_malformed(levels: int, inner: str) -> None:
    row = malformed('{"a":1}\n' + nested(levels, inner))
    assert row.line == 2
    assert re.match("is nested too deeply|holds the integer", row.message)


def test_many_flat_lists_are_not_deep() -> None:
    assert read('{"a":[' + ",".join(["[]"] * 1000) + "]}") == (["a"], [[[[]] * 1000]])
