import datetime
import gc
import io
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest
import xlsxwriter  # type: ignore[import-untyped]
from hypothesis import assume, given
from hypothesis import strategies as st

from rowmill.builtin.formats import excel
from rowmill.builtin.formats.excel import ExcelReader, ExcelWriter
from rowmill.core.errors import InputError, UsageError
from rowmill.plugins.contracts import Layout

Table = tuple[list[str], list[list[Any]]]


def write(columns: list[str], rows: list[list[Any]], *, safe_cells: bool = False) -> io.BytesIO:
    file = io.BytesIO()
    writer = ExcelWriter(file, Layout(columns, safe_cells))
    writer.write(rows)
    writer.close()
    return file


def read(file: io.BytesIO) -> Table:
    reader = ExcelReader(file, "t.xlsx")
    rows = [list(row) for row in reader.rows() if isinstance(row, list)]
    assert reader.total == len(rows)
    return reader.columns, rows


def workbook(fill: Any) -> io.BytesIO:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        fill(book)
    return file


# --- what is written is read back the same: text, truths and the numbers that a double holds exactly. Empty text comes
# back as None, lists and objects as their JSON, integers beyond 2**53 as text, rows of nothing at the end not at all,
# and the two characters U+FFFE and U+FFFF, which are none, as their escapes.

TEXT = st.text(
    st.one_of(
        st.sampled_from("_x005F41<>&\"' \t\r\n=+-@r/"),
        st.characters(codec="utf-8", exclude_characters="\ufffe\uffff"),
        st.characters(max_codepoint=31),
    ),
    max_size=20,
)
NAME = TEXT.filter(lambda name: name.strip() == name != "")
NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
VALUE = st.one_of(
    TEXT,
    NUMBER,
    st.booleans(),
    st.none(),
    st.integers(-(2**63), 2**64 - 1),
    st.lists(TEXT),
    st.dictionaries(TEXT, TEXT),
)


def expected(value: Any) -> Any:
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    if isinstance(value, int) and abs(value) > 2**53:
        return str(value)
    return None if value == "" else (type(value) is bool, value)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    return columns, draw(st.lists(st.lists(VALUE, min_size=len(columns), max_size=len(columns)), max_size=6))


@given(tables(), st.booleans())
def test_rows_come_back_as_they_were_written(table: Table, safe_cells: bool) -> None:
    columns, rows = table
    assume(not rows or any(value not in (None, "") for value in rows[-1]))
    back = read(write(columns, rows, safe_cells=safe_cells))
    assert back[0] == columns
    for row, mirrored in zip(rows, back[1], strict=True):
        for value, got in zip(row, mirrored, strict=True):
            wanted = expected(value)
            assert wanted == (expected(got) if isinstance(wanted, tuple) else got)


@pytest.mark.parametrize(
    "text",
    ["=1+1", "http://x.y", "007", " lead", "trail \n", "a\r\nb", "\x00\x1f", "_x0041_", "_x005F_x0041_",
     "_x005f_", "<r>x</r>", "<r><t>x</t></r>", "<&>", "\u2028", "x" * 32_767],
)  # fmt: skip
@pytest.mark.parametrize("safe_cells", [True, False])
def test_odd_text_stays_text(text: str, safe_cells: bool) -> None:
    assert read(write([f"c{text[:50]}c"], [[text]], safe_cells=safe_cells)) == ([f"c{text[:50]}c"], [[text]])


def test_what_is_no_character_becomes_its_escape() -> None:
    assert read(write(["a"], [["\ufffe\uffff"]]))[1] == [["_xFFFE__xFFFF_"]]


@pytest.mark.parametrize("number", [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.5, 2**53, -(2**53), 1e16])
def test_numbers_keep_all_their_digits(number: float) -> None:
    assert read(write(["a"], [[number]]))[1] == [[number]]


def test_what_is_no_number_of_excel_is_text() -> None:
    rows: list[list[Any]] = [[2**53 + 1], [float("nan")], [float("-inf")]]
    assert read(write(["a"], rows))[1] == [["9007199254740993"], ["NaN"], ["-Infinity"]]


def test_safe_cells_are_marked_as_text_and_nothing_else_is() -> None:
    rows: list[list[Any]] = [["=1", "-5", "x", -5, None]]
    marked = write(list("abcde"), rows, safe_cells=True)
    assert read(marked)[1] == read(write(list("abcde"), rows))[1] == rows
    assert cell_formats(marked) == ["1", None, None, None]
    assert cell_formats(write(list("abcde"), rows)) == [None, None, None, None]


def cell_formats(file: io.BytesIO) -> list[str | None]:
    """The format of each cell in the second row; the first made with quote_prefix is number 1."""
    with zipfile.ZipFile(file) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        assert ("quotePrefix" in archive.read("xl/styles.xml").decode()) == (' s="1"' in sheet)
    return [style or None for style in re.findall('<c r="[A-Z]2"(?: s="([0-9]+)")?', sheet)]


# --- limits


def test_more_columns_than_a_sheet_has_are_refused() -> None:
    with pytest.raises(UsageError, match=r"holds 16,384 columns, but there are 16,385\."):
        ExcelWriter(io.BytesIO(), Layout([str(number) for number in range(16_385)]))


def test_more_rows_than_a_sheet_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "_MOST_ROWS", 3)
    writer = ExcelWriter(io.BytesIO(), Layout(["a"]))
    writer.write([[1], [None]])
    with pytest.raises(UsageError, match=r"^An Excel sheet holds 2 rows besides the header"):
        writer.write([[3]])


@pytest.mark.parametrize("text", ["x" * 32_768, "🦀" * 16_384, ["x" * 32_767]])
def test_text_longer_than_a_cell_is_refused(text: Any) -> None:
    with pytest.raises(UsageError, match=r'^Column "b" of row 2 is longer than the 32,767 characters'):
        write(["a", "b"], [[1, 2], [None, text]])


def test_a_name_longer_than_a_cell_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^The name of column 2 is longer"):
        write(["a", "b" * 40_000], [])


def test_nothing_is_left_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = write(["a"], [[1]])
    assert list(tmp_path.iterdir()) == []
    assert not file.closed
    assert not ExcelWriter.resumable


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the archive ends itself as it goes
def test_a_full_disk_is_an_error_of_the_system() -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    writer = ExcelWriter(Full(), Layout(["a"]))
    with pytest.raises(OSError, match="No space left") as caught:
        writer.close()
    assert caught.value.errno == 28
    del caught, writer
    gc.collect()


# --- what others write


def test_cells_of_every_kind() -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["a", "b"])
        moments = [
            ("yyyy-mm-dd", datetime.date(2024, 1, 2)),
            ("yyyy-mm-dd hh:mm:ss.0", datetime.datetime(2024, 1, 2, 3, 4, 5, 600_000)),  # noqa: DTZ001 - Excel knows no zones
            ("hh:mm", datetime.time(3, 4)),
            ("[hh]:mm", datetime.timedelta(hours=30)),
        ]
        for row, (form, moment) in enumerate(moments, 1):
            sheet.write_datetime(row, 0, moment, book.add_format({"num_format": form}))
        sheet.write_row(5, 0, [3, 3.5])
        sheet.write_row(6, 0, [True, "text"])
        sheet.write_formula(7, 0, "=1+2", None, 3)
        sheet.write_formula(7, 1, '="x"', None, "x")
        sheet.write_formula(8, 0, "=NA()", None, "#N/A")
        sheet.write_string(9, 1, "end")

    rows = read(workbook(fill))[1]
    assert [row[0] for row in rows[:4]] == ["2024-01-02", "2024-01-02T03:04:05.6", "03:04:00", "P1DT6H"]
    assert rows[4:] == [[3, 3.5], [True, "text"], [3, "x"], [None, None], [None, "end"]]
    assert type(rows[4][0]) is int


def test_the_header_is_the_first_row_with_a_value_and_empty_rows_end_the_table() -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet()
        sheet.write_row(3, 0, [" name ", "", 2024, True])
        sheet.write_row(4, 0, ["x", 1, 2, 3])
        sheet.write_row(6, 0, ["y"])
        sheet.write_formula(8, 0, '=""', None, "")
        sheet.write_blank(20, 0, None, book.add_format({"bold": True}))

    columns, rows = read(workbook(fill))
    assert columns == ["name", "column_2", "2024", "true"]
    assert rows == [["x", 1, 2, 3], [None] * 4, ["y", None, None, None]]


def test_the_first_visible_sheet_with_cells_is_read() -> None:
    def fill(book: Any) -> None:
        book.add_worksheet("empty").activate()
        hidden = book.add_worksheet("hidden")
        hidden.write(0, 0, "no")
        hidden.hide()
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=later!$A$1"})
        book.add_chartsheet("chart").set_chart(chart)
        book.add_worksheet("this").write_column(0, 0, ["a", 1])
        book.add_worksheet("later").write(0, 0, "no")

    assert read(workbook(fill)) == (["a"], [[1]])


# --- refusals


def test_sheets_without_cells_are_refused_as_empty() -> None:
    with pytest.raises(InputError, match=r"^t.xlsx is empty\."):
        read(workbook(lambda book: book.add_worksheet()))


def test_a_column_named_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r'^t.xlsx has two columns called "a"'):
        read(workbook(lambda book: book.add_worksheet().write_row(0, 0, ["a", "a "])))


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PK\x03\x04" + b"x" * 100])
def test_what_is_no_workbook_is_refused_in_one_sentence(content: bytes) -> None:
    with pytest.raises(InputError) as refusal:
        ExcelReader(io.BytesIO(content), "t.xlsx")
    assert refusal.value.message.startswith("t.xlsx cannot be read as XLSX: ")


def test_old_and_encrypted_workbooks_are_refused_with_the_remedy() -> None:
    with pytest.raises(InputError, match="protected by a password, or a workbook of Excel 2003 or older"):
        ExcelReader(io.BytesIO(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2000)), "t.xlsx")


@given(st.integers(0, 5000), st.binary(min_size=1, max_size=8))
def test_a_damaged_workbook_is_read_or_refused(offset: int, damage: bytes) -> None:
    content = DAMAGEABLE[:offset] + damage + DAMAGEABLE[offset + len(damage) :]
    try:
        columns, rows = read(io.BytesIO(content))
    except InputError as error:
        refusal = error
    else:
        assert all(len(row) == len(columns) for row in rows)
        return
    assert "t.xlsx" in refusal.message


DAMAGEABLE = write(["a", "b"], [[number, f"text {number}"] for number in range(20)]).getvalue()
