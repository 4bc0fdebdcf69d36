"""CSV and TSV as found in the wild: read right, or refused with one sentence that names the line.

Values stay text exactly as written ("007" stays "007"); nothing but the delimiter and the encoding is inferred.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import SEEK_END, StringIO
from itertools import chain, islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from rowmill.builtin.formats.encoding import decoded, detect_encoding
from rowmill.builtin.formats.header import name_columns
from rowmill.builtin.formats.safe_cells import looks_like_formula
from rowmill.core.errors import InputError, UsageError
from rowmill.plugins.contracts import Layout, Malformed

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_LONGEST_CELL = 1 << 25
_SAMPLE_CHARACTERS = 1 << 20
_SAMPLE_RECORDS = 100

# A quoted cell under any of the delimiters, also one that the sample cuts short.
_QUOTED = re.compile(r'(?<![^,;\t|\r\n])"[^"]*+(?:""[^"]*+)*+(?:"|\Z)')
_LINE_END = re.compile(r"\r\n|\r|\n")

# No text that gets here holds a NUL (see encoding.py), so these cells are the end mark's and no one else's.
_END = "\0"
_END_OUTSIDE_QUOTES = '\0"'

_DOS_END = "\x1a"


class DelimitedReader:
    """Reads CSV, telling the delimiter (comma, semicolon, tab or pipe) by what splits the first records evenly.

    A short row lacks its last cells: they are empty, as Excel writes them. A longer row is malformed unless what it has
    too many is empty. Blank lines are no rows. A column without a name is called ``column_N`` after its position.

    Memory is bounded by the longest cell, 32 Mi characters. That bound is ``csv.field_size_limit``, which holds for
    the whole process: it is raised here where it is lower, and never put back, for other readers may be at work.
    """

    total = None

    _delimiters = "\t;|,"  # where two fit equally well, the one that prose and decimal numbers hold less often

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Reads the encoding, the delimiter and the header. Raises ``InputError`` where there is none, where it names
        a column twice, and for bytes that no encoding explains."""
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
        self._file = file
        self._name = name
        self._encoding = detect_encoding(file, name)
        self._has_dos_end = _DOS_END.encode() in _last_bytes(file)
        with decoded(file, self._encoding) as text:
            self._delimiter = _choose_delimiter(text.read(_SAMPLE_CHARACTERS), self._delimiters)
        self.columns: list[str] = []
        with self._records() as records:
            self.columns = name_columns(self._read_header(records), name)

    def rows(self) -> Iterator[list[Any] | Malformed]:
        """Each row as the text of its cells, one for each column, or as ``Malformed`` with all its cells where it has
        too many. Raises ``InputError`` naming the line for a cell that is too long and a quote that is never closed."""
        width = len(self.columns)
        with self._records() as records:
            self._read_header(records)
            for row in records:
                if len(row) == width:
                    yield row
                elif (mended := self._mend(row, records.line_num)) is not None:
                    yield mended

    @contextmanager
    def _records(self) -> Iterator["CsvReader"]:
        # The end mark closes a quote still open at the end of the file, and holds more cells than a row may have. So it
        # is met wherever an odd row is, and an even row costs one comparison of lengths and nothing else.
        end = _END_OUTSIDE_QUOTES + self._delimiter * (len(self.columns) + 1) + _END
        with decoded(self._file, self._encoding) as text:
            try:
                lines = _without_dos_end(text) if self._has_dos_end else text
                yield csv.reader(chain(lines, [end]), delimiter=self._delimiter)
            except csv.Error as error:
                raise self._cell_too_long() from error

    def _read_header(self, records: "CsvReader") -> list[str]:
        for record in records:
            self._check_end(record, records.line_num)
            if not _is_blank(record) and record[-1] != _END:
                return record
        raise InputError(f"{self._name} is empty.", "Give a file with a line of column names and at least one row.")

    def _mend(self, row: list[str], line: int) -> list[str] | Malformed | None:
        """An odd row made even where it can be, or ``None`` where it is no row; ``line`` is its last."""
        self._check_end(row, line)
        width = len(self.columns)
        if _is_blank(row) or row[-1] == _END:
            return None
        if len(row) < width:
            return row + [""] * (width - len(row))
        if any(row[width:]):
            return self._too_many_cells(row, line)
        return row[:width]

    def _check_end(self, row: list[str], line: int) -> None:
        """Refuses the row that the end mark was swallowed by; ``line`` is the end mark's own."""
        if not row or row[-1] != _END or row[0] == _END_OUTSIDE_QUOTES:
            return
        cell = next(cell for cell in row if _END in cell).removesuffix(_END)
        opened = line - 1 - _line_ends(cell.removesuffix("\n").removesuffix("\r"))
        message = f"The quote that opens on line {opened} of {self._name} is never closed."
        raise InputError(message, "Close it or remove it.")

    def _too_many_cells(self, row: list[str], line: int) -> Malformed:
        start = line - sum(map(_line_ends, row))
        columns = "1 column" if len(self.columns) == 1 else f"{len(self.columns)} columns"
        hint = f"Put cells that contain a {_DELIMITER_NAMES[self._delimiter]} in quotes, or remove the cells too many."
        if start < line:
            hint += f" The row goes on to line {line}: perhaps a quote is not closed."
        width = len(self.columns)
        return Malformed(start, f"has {len(row)} cells, but the header has {columns}", hint, row[:width], row[width:])

    def _cell_too_long(self) -> InputError:
        """Reads again up to the row that ``csv`` gave up on, for only a refusal needs to know where it starts."""
        start = 1
        with decoded(self._file, self._encoding) as text:
            records = csv.reader(text, delimiter=self._delimiter)
            try:
                for _ in records:
                    start = records.line_num + 1
            except csv.Error:
                pass
        return InputError(
            f"A cell of the row on line {start} of {self._name} is longer than {csv.field_size_limit():,} characters.",
            "If a quote is not closed there, close it; otherwise shorten the cell.",
        )


class TabReader(DelimitedReader):
    """Reads TSV: as CSV, with the tab as the only delimiter."""

    _delimiters = "\t"


class _DelimitedWriter:
    """Writes UTF-8 without a byte order mark, lines ended by a newline, quotes only where they are needed.

    ``None`` is an empty cell, a boolean ``true`` or ``false``, a list or object its JSON text. A safe cell that would
    be taken for a formula has an apostrophe before it, column names included.
    """

    resumable = True

    _delimiter: str
    _quoted: str
    """What puts a cell in quotes, besides the delimiter and the newline."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._safe = layout.safe_cells
        self._width = len(layout.columns)
        # csv quotes every cell that holds a character of the line terminator: so that names what to quote, and the
        # real one is put in its place.
        self._terminator = self._quoted.replace('"', "") + "\n"
        self._lines: list[str] = []
        out = SimpleNamespace(write=self._lines.append)
        self._csv = csv.writer(out, delimiter=self._delimiter, lineterminator=self._terminator)
        if not layout.resumed:
            self.write([layout.columns])

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        if not {str}.issuperset(map(type, chain.from_iterable(rows))):
            rows = [[value if type(value) is str else _as_text(value) for value in row] for row in rows]
        if self._safe:
            rows = [[f"'{value}" if looks_like_formula(value) else value for value in row] for row in rows]
        self._file.write(self._as_lines(rows).encode())

    def close(self) -> None:
        """Nothing is left to do: every row is already with the file."""

    def _as_lines(self, rows: Sequence[Sequence[str]]) -> str:
        """Joins the cells of rows that need no quotes, several times as fast as ``csv``, and leaves others to it."""
        lines = [self._delimiter.join(row) for row in rows]
        text = "\n".join(lines)
        if "\0" in text:
            message = "A cell holds the character NUL, which no CSV or TSV file can hold."
            raise UsageError(message, "Choose JSON Lines or Parquet, or leave that column out.")
        if self._is_plain(text, len(lines)):
            return text + "\n"
        return "".join(
            line + "\n" if self._is_plain(line, 1) else self._quote(row) for line, row in zip(lines, rows, strict=True)
        )

    def _is_plain(self, text: str, lines: int) -> bool:
        """Whether every delimiter and newline in ``text`` stands between cells, and nothing else wants quotes. A lone
        cell is never plain: an empty one would be no row."""
        between = lines * (self._width - 1)
        if not between or text.count(self._delimiter) != between or text.count("\n") != lines - 1:
            return False
        return not any(character in text for character in self._quoted)

    def _quote(self, row: Sequence[str]) -> str:
        self._csv.writerow(row)
        return self._lines.pop()[: -len(self._terminator)] + "\n"


class CommaWriter(_DelimitedWriter):
    """Writes CSV. Cells that hold another common delimiter are quoted too, so that no reader can mistake it."""

    _delimiter = ","
    _quoted = '";\t|\r'


class TabWriter(_DelimitedWriter):
    """Writes TSV."""

    _delimiter = "\t"
    _quoted = '"\r'


def _last_bytes(file: BinaryIO) -> bytes:
    """What holds the last character, which UTF-16 writes as two bytes."""
    file.seek(max(0, file.seek(0, SEEK_END) - 2))
    return file.read()


def _without_dos_end(lines: Iterable[str]) -> Iterator[str]:
    """Only the last line can end with anything but a line end, so only there is the mark found."""
    for line in lines:
        if kept := line.removesuffix(_DOS_END):
            yield kept


def _choose_delimiter(sample: str, delimiters: str) -> str:
    """The delimiter that splits the header and then most records into as many cells; where none splits the header, the
    one that leaves most records whole."""
    lines = list(StringIO(_QUOTED.sub('""', sample), newline=""))

    def fit(delimiter: str) -> tuple[bool, int, int]:
        records = islice(csv.reader(lines, delimiter=delimiter), _SAMPLE_RECORDS)
        widths = [len(record) for record in records if not _is_blank(record)] or [0]
        return widths[0] > 1, widths.count(widths[0]), widths[0]

    return max(delimiters, key=fit)


def _is_blank(record: list[str]) -> bool:
    """Nothing, nothing but white space, or the line ``sep=;`` that Excel reads its delimiter from, split by just that
    delimiter. A lone ``""`` is a cell."""
    return not record or (len(record) == 1 and record[0].isspace()) or record == ["sep=", ""]


def _line_ends(text: str) -> int:
    return len(_LINE_END.findall(text))


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else str(value)
