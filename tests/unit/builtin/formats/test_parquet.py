import io
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.builtin.formats import parquet
from rowmill.builtin.formats.parquet import ParquetReader, ParquetWriter
from rowmill.core.errors import InputError
from rowmill.plugins.contracts import Layout

Table = tuple[list[str], list[list[Any]]]


def write(columns: list[str], rows: list[list[Any]], batch: int = 3) -> io.BytesIO:
    file = io.BytesIO()
    writer = ParquetWriter(file, Layout(columns, safe_cells=True))
    for lo in range(0, len(rows), batch):
        writer.write(rows[lo : lo + batch])
    writer.close()
    return file


def read(file: io.BytesIO) -> Table:
    reader = ParquetReader(file, "t.parquet")
    rows = [list(row) for row in reader.rows() if isinstance(row, list)]
    assert reader.total == len(rows)
    return reader.columns, rows


def file_of(table: Any) -> io.BytesIO:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file


# --- what is written is read back the same: equal values, of the same type but for whole numbers among fractions

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
INTEGER = st.integers(-(2**63), 2**64 - 1)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), INTEGER, FLOAT, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
KINDS = [
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**64 - 1),
    INTEGER,
    FLOAT,
    FLOAT | st.integers(-(2**53), 2**53),
    FLOAT | INTEGER,
    TEXT,
    st.lists(TEXT | st.none(), max_size=3),
    st.lists(VALUE, max_size=3),
    st.dictionaries(TEXT, VALUE, max_size=3),
    TEXT | st.lists(TEXT, max_size=2),
    VALUE,
]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = draw(st.lists(TEXT, min_size=1, max_size=5, unique=True))
    kinds = [st.none() | draw(st.sampled_from(KINDS)) for _ in columns]
    return columns, draw(st.lists(st.tuples(*kinds).map(list), max_size=8))


def shape(value: Any) -> Any:
    """A value with the types that matter: True is not 1, but 1 is 1.0."""
    if isinstance(value, list):
        return [shape(each) for each in value]
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return (bool, value) if isinstance(value, bool) else value


@given(tables())
def test_rows_come_back_as_they_were_written(table: Table) -> None:
    columns, rows = read(write(*table))
    assert (columns, shape(rows)) == (table[0], shape(table[1]))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([None, None], "string"),
        ([], "string"),
        (["", None, "x"], "string"),
        ([True, None], "bool"),
        ([-1, 2**63 - 1], "int64"),
        ([1, 2**64 - 1], "uint64"),
        ([-1, 2**64 - 1], "json"),
        ([1.5, 2], "double"),
        ([1.5, 2**53], "double"),
        ([1.5, 2**53 + 1], "json"),
        ([1.5, -(2**53) - 1], "json"),
        ([["a", None], []], "list<element: string>"),
        ([["a"], [1]], "json"),
        ([{"a": 1}], "json"),
        ([True, 1], "json"),
        (["1", 1], "json"),
    ],
)
def test_a_column_has_the_narrowest_type_that_holds_it(values: list[Any], kind: str) -> None:
    file = write(["a"], [[value] for value in values], batch=1)
    field = pq.read_schema(file).field("a")
    marked = (field.metadata or {}).get(b"rowmill") == b"json"
    assert (str(field.type), marked) == (("string", True) if kind == "json" else (kind, False))
    assert shape([row[0] for row in read(file)[1]]) == shape(values)


def test_whole_numbers_and_truths_keep_their_types() -> None:
    assert [[type(value) for value in row] for row in read(write(["a", "b", "c"], [[1, True, 1.0]]))[1]] == [
        [int, bool, float]
    ]


def test_rows_are_written_in_groups_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROW_GROUP", 100)
    rows = [[number, "x" * 10] for number in range(50)]
    file = write(["a", "b"], rows)
    assert pq.ParquetFile(file).num_row_groups > 5
    assert read(file)[1] == rows


def test_files_stay_open_and_rows_can_be_read_again() -> None:
    reader = ParquetReader(file := write(["a"], [["=1"], ["y"]]), "t.parquet")
    assert list(reader.rows()) == list(reader.rows()) == [["=1"], ["y"]]
    del reader
    assert not file.closed
    assert not ParquetWriter.resumable


# --- what others write


def test_tables_longer_than_a_batch_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_BATCH", 7)
    lists = [None if number % 5 == 0 else [str(number)] * (number % 3) for number in range(50)]
    assert read(file_of(pa.table({"n": range(50), "l": lists})))[1] == [list(row) for row in enumerate(lists)]


# --- refusals


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PAR1", b"PAR1" + b"x" * 50 + b"PAR1"])
def test_what_is_no_parquet_is_refused_in_one_sentence(content: bytes) -> None:
    with pytest.raises(InputError) as refusal:
        ParquetReader(io.BytesIO(content), "t.parquet")
    assert refusal.value.message.startswith("t.parquet cannot be read as Parquet: ")
    assert "\n" not in refusal.value.message


def test_a_file_cut_off_or_damaged_is_refused() -> None:
    content = write(["a"], [[f"text {number}"] for number in range(1000)]).getvalue()
    with pytest.raises(InputError):
        ParquetReader(io.BytesIO(content[:-50]), "t.parquet")
    damaged = content[:50] + bytes(400) + content[450:]
    with pytest.raises(InputError, match=r"^t.parquet cannot be read as Parquet"):
        list(ParquetReader(io.BytesIO(damaged), "t.parquet").rows())


def test_two_columns_with_one_name_are_refused() -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(InputError, match=r'^t.parquet has two columns called "a", the 1st and the 2nd'):
        ParquetReader(file_of(table), "t.parquet")


def test_text_that_is_none_is_refused() -> None:
    table = pa.table({"a": pa.array([b"\xff"]).view(pa.string())})
    with pytest.raises(InputError, match=r"^t.parquet cannot be read as Parquet: 'utf-8' codec"):
        list(ParquetReader(file_of(table), "t.parquet").rows())
