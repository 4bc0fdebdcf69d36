"""JSON Lines: one JSON object on each line."""

import codecs
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

import orjson

from rowmill.core.errors import InputError
from rowmill.plugins.contracts import Layout, Malformed

_SMALLEST_INTEGER = -(2**63)
_LARGEST_INTEGER = 2**64 - 1
_DEEPEST_WRITABLE = 254
"""Levels that orjson writes; it reads 1024."""
_LONG_NUMBER = b"0" * 19
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)


class JsonLinesReader:
    """Reads JSON Lines. Columns stand in the order in which they first register anywhere in the file; a key that an
    object lacks is ``None``, and of a key given twice the last counts. Blank lines are no rows."""

    total = None

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Reads the first object, whose keys are the first columns. Raises ``InputError`` where there are no lines, and
        for UTF-16."""
        self._file = file
        self.columns: list[str] = []
        self._check_encoding(name)
        row: list[Any] | Malformed | None = None
        for row in self.rows():
            if not isinstance(row, Malformed):
                break
        if row is None:
            raise InputError(f"{name} is empty.", "Give a file with one JSON object on each line.")

    def rows(self) -> Iterator[list[Any] | Malformed]:
        """Each object's values in the order of ``columns``, which grows on the way. ``Malformed`` is what is not one
        JSON object in UTF-8, what holds an integer beyond 64 bits, and what is nested too deeply to be written again.
        """
        columns = self.columns
        known = set(columns)
        self._skip_bom()
        for number, line in enumerate(self._file, 1):
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                if line.strip():
                    yield _with_text(_unreadable(line, number, error), line)
                continue
            if (
                type(record) is not dict
                # A look at the digits alone is cheap; nearly every line passes by here.
                or _LONG_NUMBER in line.translate(_DIGITS_AS_ZEROS)
                or line.count(b"[") + line.count(b"{") > _DEEPEST_WRITABLE
            ) and (malformed := _check(record, line, number)):
                yield _with_text(malformed, line)
                continue
            if list(record) == columns:
                yield list(record.values())
                continue
            added = [key for key in record if key not in known]
            columns += added
            known.update(added)
            yield [record.get(column) for column in columns]

    def _check_encoding(self, name: str) -> None:
        self._file.seek(0)
        if self._file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise InputError(f"{name} is in UTF-16, but JSON Lines is in UTF-8.", "Save the file again as UTF-8.")

    def _skip_bom(self) -> None:
        self._file.seek(0)
        if self._file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            self._file.seek(0)


class JsonLinesWriter:
    """Writes JSON Lines: for each row one object that has every column. No cell needs to be made safe."""

    resumable = True

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._columns = layout.columns

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        objects = (dict(zip(self._columns, row, strict=True)) for row in rows)
        self._file.write(b"".join([orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in objects]))

    def close(self) -> None:
        """Nothing is left to do: every row is already with the file."""


def _check(record: Any, line: bytes, number: int) -> Malformed | None:
    """What keeps a line that is JSON from being a row."""
    if type(record) is not dict:
        return Malformed(number, f"is {_describe(record)}, not a JSON object", 'Write it as {"column": value}.')
    try:
        # orjson reads integers beyond 64 bits too, but silently rounds them to a float.
        if beyond := _integers_beyond(line):
            shown = beyond if len(beyond) <= 40 else f"{beyond[:40]}…"
            return Malformed(number, f"holds the integer {shown}, beyond 64 bits", "Write it as a string.")
        orjson.dumps(record)
    except (TypeError, RecursionError):
        return _too_deep(number)
    return None


def _integers_beyond(line: bytes) -> str | None:
    found: list[str] = []

    def check(digits: str) -> None:
        if len(digits) > 20 or not _SMALLEST_INTEGER <= int(digits) <= _LARGEST_INTEGER:
            found.append(digits)

    json.loads(line, parse_int=check)
    return next(iter(found), None)


def _unreadable(line: bytes, number: int, error: orjson.JSONDecodeError) -> Malformed:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return Malformed(number, "is not UTF-8", "Save the file again as UTF-8.")
    if constant := _find_constant(text):
        message = f"holds {constant}, which JSON does not know"
        return Malformed(number, message, "Write null or a string instead.")
    if error.msg.startswith("depth limit"):
        return _too_deep(number)
    position = min(error.pos, len(text.rstrip("\r\n"))) + 1
    message = f"is not valid JSON ({error.msg}, character {position})"
    return Malformed(number, message, "Each line must be one whole JSON object.")


def _with_text(malformed: Malformed, line: bytes) -> Malformed:
    return replace(malformed, rest=[line.decode(errors="replace").rstrip("\r\n")])


def _too_deep(number: int) -> Malformed:
    return Malformed(number, "is nested too deeply", "Write the inner part as a string.")


def _find_constant(text: str) -> str | None:
    """NaN, Infinity or -Infinity where nothing else keeps ``text`` from being JSON: Python's own parser takes them."""
    found: list[str] = []
    try:
        json.loads(text, parse_constant=found.append)
    except (ValueError, RecursionError):
        return None
    return next(iter(found), None)


def _describe(value: Any) -> str:
    kinds = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
