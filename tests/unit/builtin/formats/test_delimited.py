import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rowmill.builtin.formats import delimited
from rowmill.builtin.formats.delimited import CommaWriter, DelimitedReader, TabReader, TabWriter
from rowmill.core.errors import InputError, UsageError
from rowmill.plugins.contracts import Layout, Malformed

Table = tuple[list[str], list[list[Any]]]
WriterClass = type[CommaWriter] | type[TabWriter]


def read_all(content: str | bytes, reader: type[DelimitedReader] = DelimitedReader) -> DelimitedReader:
    return reader(io.BytesIO(content.encode() if isinstance(content, str) else content), "t.csv")


def read(content: str | bytes, reader: type[DelimitedReader] = DelimitedReader) -> Table:
    """The table, which must be without fault."""
    table = read_all(content, reader)
    rows = list(table.rows())
    assert not any(isinstance(row, Malformed) for row in rows)
    return table.columns, [list(row) for row in rows if not isinstance(row, Malformed)]


def malformed(content: str) -> list[Malformed]:
    return [row for row in read_all(content).rows() if isinstance(row, Malformed)]


def write(writer: WriterClass, columns: list[str], rows: list[list[Any]], *, safe_cells: bool = False) -> bytes:
    file = io.BytesIO()
    table = writer(file, Layout(columns, safe_cells))
    table.write(rows)
    table.close()
    return file.getvalue()


@pytest.fixture
def _low_field_limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(delimited, "_LONGEST_CELL", 1000)
    before = csv.field_size_limit(1000)
    yield
    csv.field_size_limit(before)


# --- what is written is read back the same

TEXT = st.text(
    st.one_of(st.sampled_from('",;\t|\r\n ab'), st.characters(codec="utf-8", exclude_characters="\0")), max_size=12
)
NAME = TEXT.filter(lambda name: name.strip() == name != "")


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = draw(st.lists(NAME, min_size=1, max_size=5, unique=True))
    assume(not columns[0].startswith("\ufeff"))  # at the start of a file this is the byte order mark
    return columns, draw(st.lists(st.lists(TEXT, min_size=len(columns), max_size=len(columns)), max_size=8))


@given(tables())
def test_csv_comes_back_as_it_was_written(table: Table) -> None:
    assert read(write(CommaWriter, *table)) == table


@given(tables())
def test_tsv_comes_back_as_it_was_written(table: Table) -> None:
    assert read(write(TabWriter, *table), TabReader) == table


@given(
    tables(),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_files_with_every_cell_quoted_are_read_whatever_their_form(
    table: Table, delimiter: str, line_end: str, encoding: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([table[0], *table[1]])
    assert read(text.getvalue().encode(encoding)) == table


@given(st.text(st.one_of(st.sampled_from('",;\t|\r\n a\0'), st.characters(codec="utf-8"))))
def test_any_text_gives_even_rows_or_an_input_error(text: str) -> None:
    try:
        table = read_all(text)
        rows = list(table.rows())
    except InputError as error:
        refusal = error
    else:
        width = len(table.columns)
        assert all(len(row.values) > width if isinstance(row, Malformed) else len(row) == width for row in rows)
        assert len(set(table.columns)) == width
        assert "" not in table.columns
        return
    assert "t.csv" in refusal.message
    assert refusal.hint


# --- delimiters


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n", (["a", "b"], [["1", "2"]])),
        ("a;b\n1,5;2\n2,5;3\n", (["a", "b"], [["1,5", "2"], ["2,5", "3"]])),
        ("a\tb\n1,5\t2\n", (["a", "b"], [["1,5", "2"]])),
        ("a|b|c\n1|2|3\n", (["a", "b", "c"], [["1", "2", "3"]])),
        ("price, net;pieces\n1,5;2\n", (["price, net", "pieces"], [["1,5", "2"]])),
        (
            "id;text, if any;x\n1;a, b, c;y\n2;;\n",
            (["id", "text, if any", "x"], [["1", "a, b, c", "y"], ["2", "", ""]]),
        ),
        ('a,"b;c;d;e",f\n1,"2;3;4;5",6\n', (["a", "b;c;d;e", "f"], [["1", "2;3;4;5", "6"]])),
        ('size,x\n5" pipe,"6"" pipe"\n', (["size", "x"], [['5" pipe', '6" pipe']])),
        ("review\nGood, but dear\nBad\n", (["review"], [["Good, but dear"], ["Bad"]])),
        ("review\n", (["review"], [])),
        ("a,b", (["a", "b"], [])),
        ("sep=;\r\na;b\r\n1,5;2\r\n", (["a", "b"], [["1,5", "2"]])),
        ("sep=,\na,b\n1,2\n", (["a", "b"], [["1", "2"]])),
    ],
)
def test_the_delimiter_is_what_splits_header_and_records_evenly(content: str, expected: Table) -> None:
    assert read(content) == expected


def test_tsv_knows_no_delimiter_but_the_tab() -> None:
    assert read("a,b\n1,2\n", TabReader) == (["a,b"], [["1,2"]])


def test_a_sample_cut_within_a_cell_does_not_mislead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_SAMPLE_CHARACTERS", 20)
    assert read('a,b\n1,"x;y;z\n;;;;;;;;;;;;;;;"\n')[1] == [["1", "x;y;z\n;;;;;;;;;;;;;;;"]]


# --- lines and cells


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_ends_a_row(line_end: str) -> None:
    assert read(line_end.join(["a,b", "1,2", "", '3,"4\n5"'])) == (["a", "b"], [["1", "2"], ["3", "4\n5"]])


def test_values_stay_text_as_written() -> None:
    assert read("a,b,c\n007, 1.50 ,TRUE\n")[1] == [["007", " 1.50 ", "TRUE"]]


def test_blank_lines_are_no_rows() -> None:
    assert read("\n \n\na,b\n\n1,2\n   \n3,4\n\n") == (["a", "b"], [["1", "2"], ["3", "4"]])


def test_a_quoted_empty_cell_is_a_row_where_there_is_one_column() -> None:
    assert read('a\n\n""\nx\n') == (["a"], [[""], ["x"]])


def test_short_rows_are_filled_and_empty_extra_cells_dropped() -> None:
    assert read("a,b,c\n1\n1,2\n1,2,3,,\n") == (["a", "b", "c"], [["1", "", ""], ["1", "2", ""], ["1", "2", "3"]])


def test_cells_of_many_megabytes_are_read() -> None:
    long = "x\n" * (3 << 20)
    assert read(f'a,b\n1,"{long}"\n')[1] == [["1", long]]


def test_rows_can_be_read_again_and_the_file_stays_open() -> None:
    reader = DelimitedReader(file := io.BytesIO(b"a,b\n1,2\n"), "t.csv")
    assert list(reader.rows()) == list(reader.rows()) == [["1", "2"]]
    del reader
    assert not file.closed


# --- headers


def test_header_cells_are_stripped_and_empty_ones_named_by_position() -> None:
    assert read(" a ,,column_2,\n1,2,3,4\n")[0] == ["a", "column_2_", "column_2", "column_4"]


def test_a_column_named_twice_is_refused_with_both_positions() -> None:
    with pytest.raises(InputError, match=r'^t.csv has two columns called "id", the 1st and the 3rd\. Rename'):
        read("id,x, id\n1,2,3\n")


@pytest.mark.parametrize("content", [b"", b"\n\n  \r\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_a_file_without_a_header_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^t.csv is empty\."):
        read(content)


# --- refusals


@pytest.mark.parametrize(
    ("content", "line", "message", "values"),
    [
        ("a,b\n1,2\n1,2,3\n", 3, "has 3 cells, but the header has 2 columns", ["1", "2", "3"]),
        (
            'a,b\n"x\r\ny\nz",2\n\n1,"2\n\n2",3\n',
            6,
            "has 3 cells, but the header has 2 columns",
            ["1", "2\n\n2", "3"],
        ),
        ("a\n" + "x\n" * 200 + "1\t2", 202, "has 2 cells, but the header has 1 column", ["1", "2"]),
    ],
)
def test_a_row_too_long_is_malformed_from_its_first_line(
    content: str, line: int, message: str, values: list[str]
) -> None:
    [row] = malformed(content)
    assert (row.line, row.message, [*row.values, *row.rest]) == (line, message, values)
    assert row.hint.startswith("Put cells that contain a ")


def test_reading_goes_on_after_a_malformed_row() -> None:
    rows = list(read_all("a,b\n1,2\n3,4,5\n6,7\n8,9,0\n").rows())
    assert [row.line if isinstance(row, Malformed) else row for row in rows] == [["1", "2"], 3, ["6", "7"], 5]


def test_a_row_too_long_over_several_lines_hints_at_its_quote() -> None:
    [row] = malformed('a,b\n1,"2\n3,4\n5,"6,7\n')
    assert row.line == 2
    assert row.hint.endswith("The row goes on to line 4: perhaps a quote is not closed.")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("lines", "opened"),
    [
        (["a,b", '1,"2', "3,4", ""], 2),
        (["a,b", '1,"2', "3,4"], 2),
        (["a,b", "1,2", '"'], 3),
        (["a,b", "1,2", '"', ""], 3),
        (["a,b", '"x', 'y","z', "", ""], 3),
        (['a,"b', "1,2", ""], 1),
        (["a", '"x""', ""], 2),
    ],
)
def test_an_open_quote_at_the_end_is_refused_with_its_line(lines: list[str], opened: int, line_end: str) -> None:
    with pytest.raises(InputError, match=rf"^The quote that opens on line {opened} of t.csv is never closed"):
        read(line_end.join(lines))


def test_rows_before_an_open_quote_are_still_read() -> None:
    rows = DelimitedReader(io.BytesIO(b'a,b\n1,2\n3,"4\n'), "t.csv").rows()
    assert next(rows) == ["1", "2"]
    with pytest.raises(InputError, match="line 3"):
        next(rows)


@pytest.mark.usefixtures("_low_field_limit")
def test_a_cell_beyond_the_limit_is_refused_with_the_line_of_its_row() -> None:
    with pytest.raises(InputError, match=r"^A cell of the row on line 3 of t.csv is longer than 1,000 characters"):
        read("a,b\n1,2\n" + '3,"' + "4\n" * 600)


@pytest.mark.usefixtures("_low_field_limit")
def test_the_process_wide_limit_is_never_lowered() -> None:
    csv.field_size_limit(5000)
    read("a,b\n1,2\n")
    assert csv.field_size_limit() == 5000


# --- writers


def test_csv_as_written() -> None:
    rows: list[list[Any]] = [
        [1, 2.5, None, True, False, [1, "x"], {"k": "ö"}],
        ["a,b", 'q"', "l\nm", "r\rs", "t;u", "", " v "],
    ]
    assert write(CommaWriter, list("abcdefg"), rows).decode() == (
        'a,b,c,d,e,f,g\n1,2.5,,true,false,"[1,""x""]","{""k"":""ö""}"\n"a,b","q""","l\nm","r\rs","t;u",, v \n'
    )


def test_tsv_quotes_nothing_that_a_tab_does_not_touch() -> None:
    assert write(TabWriter, ["a", "b"], [["1,2;3", "x\ty"], ["", None]]) == b'a\tb\n1,2;3\t"x\ty"\n\t\n'


def test_one_empty_cell_is_written_so_that_it_can_be_read() -> None:
    assert write(CommaWriter, ["a"], [[None], [""]]) == b'a\n""\n""\n'


def test_writing_leaves_the_file_open() -> None:
    file = io.BytesIO()
    CommaWriter(file, Layout(["a"])).close()
    assert file.getvalue() == b"a\n"


FORMULAS = ["=1+1", "+1+1", "-A1", "@SUM(A1)", "\t=1", "\r=1", "-", "+", "=5", "-5,3", "-1e", "--1", "-5\n"]
HARMLESS = ["-5", "+3.2", "-1e5", "-.5", "+7.", "-1E-3", "1-1", "a=b", " =1", "", "'", "'=1"]


@pytest.mark.parametrize("writer", [CommaWriter, TabWriter])
def test_safe_cells_are_no_formulas_and_keep_numbers(writer: WriterClass) -> None:
    reader = TabReader if writer is TabWriter else DelimitedReader
    rows: list[list[Any]] = [[text, "."] for text in FORMULAS + HARMLESS]
    columns, back = read(write(writer, ["=a", "-5"], [*rows, [-5, -1.5]], safe_cells=True), reader)
    assert columns == ["'=a", "-5"]
    assert [row[0] for row in back] == [f"'{text}" for text in FORMULAS] + HARMLESS + ["-5"]
    assert back[-1] == ["-5", "-1.5"]


@given(tables())
def test_without_safe_cells_nothing_is_added(table: Table) -> None:
    rows = [[f"={cell}" for cell in row] for row in table[1]]
    assert read(write(CommaWriter, table[0], rows))[1] == rows


@given(st.lists(st.lists(TEXT | st.integers() | st.floats() | st.booleans() | st.none(), min_size=3, max_size=3)))
def test_batches_do_not_change_what_is_written(rows: list[list[Any]]) -> None:
    at_once = write(CommaWriter, ["a", "b", "c"], rows)
    file = io.BytesIO()
    writer = CommaWriter(file, Layout(["a", "b", "c"]))
    for row in rows:
        writer.write([row])
    assert file.getvalue() == at_once
    assert [row for [*row] in csv.reader(io.StringIO(at_once.decode(), newline=""))][1:] == [
        [as_text(value) for value in row] for row in rows
    ]


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def test_each_cell_with_another_delimiter_is_quoted_whatever_came_before() -> None:
    file = io.BytesIO()
    writer = CommaWriter(file, Layout(["a", "b"]))
    for text in ["x", "x;", "x", "x|", "x\t"]:
        writer.write([[text, "y"]])
    assert file.getvalue() == b'a,b\nx,y\n"x;",y\nx,y\n"x|",y\n"x\t",y\n'


@given(tables(), st.sampled_from([CommaWriter, TabWriter]), st.data())
def test_a_file_cut_after_any_write_can_be_gone_on_with(table: Table, writer: WriterClass, data: st.DataObject) -> None:
    columns, rows = table
    cut = data.draw(st.integers(0, len(rows)))
    file = io.BytesIO()
    first = writer(file, Layout(columns))
    first.write(rows[:cut])
    kept = io.BytesIO(file.getvalue())
    first.write(rows[cut:])  # what the cut takes away
    kept.seek(0, io.SEEK_END)
    second = writer(kept, Layout(columns, resumed=True))
    second.write(rows[cut:])
    second.close()
    assert writer.resumable
    assert kept.getvalue() == write(writer, columns, rows)


# --- the end-of-file mark of DOS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\r\n\x1a", "\x1a"])
@pytest.mark.parametrize("header", ["a", "a,b"])
def test_a_dos_end_mark_is_dropped(header: str, end: str, encoding: str) -> None:
    row = header.replace("a", "1").replace("b", "2")
    assert read(f"{header}\r\n{row}{end}".encode(encoding)) == (header.split(","), [row.split(",")])


def test_a_dos_end_mark_elsewhere_is_text() -> None:
    assert read("a,b\n\x1a,2\x1a\n\x1a\n") == (["a", "b"], [["\x1a", "2\x1a"], ["\x1a", ""]])


def test_a_dos_end_mark_alone_is_an_empty_file() -> None:
    with pytest.raises(InputError, match=r"^t.csv is empty"):
        read("\x1a")


def test_an_open_quote_before_a_dos_end_mark_is_found_on_its_line() -> None:
    with pytest.raises(InputError, match=r"^The quote that opens on line 2 "):
        read('a,b\n1,"2\n3,4\n\x1a')


@pytest.mark.parametrize("writer", [CommaWriter, TabWriter])
def test_a_character_that_no_such_file_can_hold_is_refused(writer: WriterClass) -> None:
    with pytest.raises(UsageError, match="the character NUL, which no CSV or TSV file can hold"):
        write(writer, ["a", "b"], [["1", "2"], ["x\0y", "3"]])
