"""XLSX: the values of one worksheet, without formulas, formats and everything else that a workbook may hold."""

import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date, time, timedelta
from typing import Any, BinaryIO, cast

import orjson
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetVisibleEnum
from xlsxwriter import Workbook  # type: ignore[import-untyped]
from xlsxwriter.exceptions import FileCreateError  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from rowmill.builtin.formats.header import name_columns
from rowmill.builtin.formats.plain import iso_duration, plain_float, short_fraction
from rowmill.builtin.formats.safe_cells import looks_like_formula
from rowmill.core.errors import InputError, UsageError
from rowmill.plugins.contracts import Layout, Malformed

_LEGACY = b"\xd0\xcf\x11\xe0"
"""The container of .xls, and of every workbook with a password."""
_MOST_ROWS = 1_048_576
_MOST_COLUMNS = 16_384
_LONGEST_CELL = 32_767
_EXACT = 2**53
"""Up to here a double, the only number that Excel knows, holds every integer."""
_TRUNCATED = -2
"""What XlsxWriter answers where it cut a text off."""


class ExcelReader:
    """Reads the first visible worksheet that has cells. Its first row with a value is the header; empty rows at the
    end are no rows. A formula counts as the value last computed; empty cells and errors such as ``#N/A`` are ``None``.

    The sheet is held in memory as a whole.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Reads the sheet and its header. Raises ``InputError`` where there is none, where it names a column twice, and
        for what is no XLSX, damaged or encrypted."""
        self._sheet = _open_sheet(file, name)
        filled = [index for index, row in enumerate(self._sheet.iter_rows()) if any(cell != "" for cell in row)]
        if not filled:
            raise InputError(f"{name} is empty.", "Give a file with a row of column names and at least one more.")
        self._header, self._last = filled[0], filled[-1]
        self.total: int | None = self._last - self._header
        self.columns = name_columns([_as_text(_value(cell)) for cell in self._row(self._header)], name)

    def rows(self) -> Iterator[list[Any] | Malformed]:
        """Each row's values; a number that is whole is an integer, a date or time its ISO text."""
        for index, row in enumerate(self._sheet.iter_rows()):
            if self._header < index <= self._last:
                yield list(map(_value, row))

    def _row(self, wanted: int) -> list[Any]:
        return next(row for index, row in enumerate(self._sheet.iter_rows()) if index == wanted)


class ExcelWriter:
    """Writes one worksheet: text always as text, never as number, formula or link. What Excel's numbers cannot hold
    exactly is written as text, a list or object as its JSON. A safe cell is marked as text by its format, as Excel does
    for an apostrophe typed before it; its value stays the same.
    """

    resumable = False

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        """Raises ``UsageError`` for too many columns."""
        if len(layout.columns) > _MOST_COLUMNS:
            message = f"An Excel sheet holds {_MOST_COLUMNS:,} columns, but there are {len(layout.columns):,}."
            raise UsageError(message, "Choose fewer columns, or another format.")
        self._columns = layout.columns
        self._directory = tempfile.TemporaryDirectory(prefix="rowmill-xlsx-", dir=layout.scratch)
        self._workbook = Workbook(file, {"constant_memory": True, "tmpdir": self._directory.name})
        self._workbook.use_zip64()
        self._sheet = self._workbook.add_worksheet(worksheet_class=_ExactSheet)
        self._quoted = self._workbook.add_format({"quote_prefix": True}) if layout.safe_cells else None
        self._next = 0
        self.write([layout.columns])

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Raises ``UsageError`` for more rows than a sheet holds, and for text longer than a cell holds."""
        if self._next + len(rows) > _MOST_ROWS:
            message = f"An Excel sheet holds {_MOST_ROWS - 1:,} rows besides the header, but there are more."
            raise UsageError(message, "Choose fewer rows, or another format.")
        for index, row in enumerate(rows, self._next):
            for column, value in enumerate(row):
                if value is not None:
                    self._write_cell(index, column, value)
        self._next += len(rows)

    def close(self) -> None:
        try:
            self._workbook.close()
        except FileCreateError as error:
            raise cast("OSError", error.args[0]) from error
        finally:
            self._directory.cleanup()

    def _write_cell(self, row: int, column: int, value: Any) -> None:
        kind = type(value)
        if kind is bool:
            self._sheet.write_boolean(row, column, value)
        elif kind in (int, float) and math.isfinite(value) and (kind is float or abs(value) <= _EXACT):
            self._sheet.write_number(row, column, value)
        else:
            text = _as_text(value)
            format_ = self._quoted if self._quoted and looks_like_formula(text) else None
            if self._sheet.write_string(row, column, text, format_) == _TRUNCATED:
                where = f'Column "{self._columns[column]}" of row {row}' if row else f"The name of column {column + 1}"
                message = f"{where} is longer than the {_LONGEST_CELL:,} characters that an Excel cell holds."
                raise UsageError(message, "Choose another format, or leave the column out.")


class _ExactSheet(Worksheet):  # type: ignore[misc]
    """Mends what XlsxWriter would write otherwise than it was given."""

    _ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)|^<(?=r>)|[\x00-\x08\x0b-\x1f\ufffe\uffff]")

    @classmethod
    def _escape_control_characters(cls, data: Any) -> Any:
        """Also escapes overlapping escapes, and text that XlsxWriter would take for markup of its own."""
        if type(data) is not str:
            return data
        return cls._ESCAPED.sub(lambda match: f"_x{ord(match[0]):04X}_", data)

    def _xml_number_element(self, number: float, attributes: Sequence[tuple[str, Any]] = ()) -> None:
        """With all digits of a double; XlsxWriter writes 16, which are not always enough."""
        text = "".join(f' {key}="{value}"' for key, value in attributes)
        self.fh.write(f"<c{text}><v>{number!r}</v></c>")


def _open_sheet(file: BinaryIO, name: str) -> CalamineSheet:
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start == _LEGACY:
        message = f"{name} is protected by a password, or a workbook of Excel 2003 or older."
        raise InputError(message, "Save it as .xlsx without a password.")
    try:
        return _first_sheet(CalamineWorkbook.from_object(file), name)
    except (CalamineError, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        message = f"{name} cannot be read as XLSX: {reason}."
        raise InputError(message, "Open it in Excel and save it again as .xlsx, or as CSV.") from error


def _first_sheet(workbook: CalamineWorkbook, name: str) -> CalamineSheet:
    for index, each in enumerate(workbook.sheets_metadata):
        if each.visible is SheetVisibleEnum.Visible and (sheet := workbook.get_sheet_by_index(index)).height:
            return sheet
    raise InputError(f"{name} is empty.", "Give a file with a row of column names and at least one more.")


def _value(cell: Any) -> Any:
    kind = type(cell)
    if kind is str:
        return cell or None
    if kind is float:
        return int(cell) if cell.is_integer() and abs(cell) <= _EXACT else cell
    if kind is timedelta:
        return iso_duration(cell // timedelta(microseconds=1) * 1000)
    if isinstance(cell, date | time):
        return short_fraction(cell.isoformat()) if kind is not date else cell.isoformat()
    return cell


def _as_text(value: Any) -> str:
    """How a cell that holds no number shows ``value``."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(plain_float(value))
    return orjson.dumps(value).decode()
