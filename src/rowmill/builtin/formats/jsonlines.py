"""JSON Lines: one JSON object on each line."""

import codecs
import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import orjson

from rowmill.model.errors import InputError

_SMALLEST_INTEGER = -(2**63)
_LARGEST_INTEGER = 2**64 - 1
_DEEPEST_WRITABLE = 254
"""Levels that orjson writes; it reads 1024."""
_LONG_NUMBER = b"0" * 19
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)


class JsonLinesReader:
    """Reads JSON Lines. Columns stand in the order in which they first appear anywhere in the file; a key that an
    object lacks is ``None``, and of a key given twice the last counts. Blank lines are no rows."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Reads the first object, whose keys are the first columns. Raises ``InputError`` where there is none."""
        self._file = file
        self._name = name
        self.columns: list[str] = []
        if next(self.rows(), None) is None:
            raise InputError(f"{name} is empty.", "Give a file with one JSON object on each line.")

    def rows(self) -> Iterator[list[Any]]:
        """Each object's values in the order of ``columns``, which grows on the way. Raises ``InputError`` naming the
        line for what is not one JSON object in UTF-8, for integers beyond 64 bits, and for what is nested too deeply
        to be written again."""
        columns = self.columns
        known = set(columns)
        self._skip_bom()
        for number, line in enumerate(self._file, 1):
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                if not line.strip():
                    continue
                raise self._unreadable(line, number, error) from error
            if type(record) is not dict:
                cause = f"is {_describe(record)}, not a JSON object"
                raise self._refused(number, cause, 'Write it as {"column": value}.')
            # A look at the digits alone is cheap; nearly every line ends here.
            if _LONG_NUMBER in line.translate(_DIGITS_AS_ZEROS):
                self._check_integers(line, number)
            if line.count(b"[") + line.count(b"{") > _DEEPEST_WRITABLE:
                self._check_depth(record, number)
            if list(record) == columns:
                yield list(record.values())
                continue
            added = [key for key in record if key not in known]
            columns += added
            known.update(added)
            yield [record.get(column) for column in columns]

    def _skip_bom(self) -> None:
        self._file.seek(0)
        if self._file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            self._file.seek(0)

    def _check_integers(self, line: bytes, number: int) -> None:
        """Refuses integers that orjson would silently round to a float."""

        def check(digits: str) -> None:
            if len(digits) > 20 or not _SMALLEST_INTEGER <= int(digits) <= _LARGEST_INTEGER:
                shown = digits if len(digits) <= 40 else f"{digits[:40]}…"
                raise self._refused(number, f"holds the integer {shown}, beyond 64 bits", "Write it as a string.")

        try:
            json.loads(line, parse_int=check)
        except RecursionError as error:
            raise self._too_deep(number) from error

    def _check_depth(self, record: dict[str, Any], number: int) -> None:
        try:
            orjson.dumps(record)
        except (TypeError, RecursionError) as error:
            raise self._too_deep(number) from error

    def _unreadable(self, line: bytes, number: int, error: orjson.JSONDecodeError) -> InputError:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return self._refused(number, "is not UTF-8", "Save the file again as UTF-8.")
        if constant := _find_constant(text):
            cause = f"holds {constant}, which JSON does not know"
            return self._refused(number, cause, "Write null or a string instead.")
        if error.msg.startswith("depth limit"):
            return self._too_deep(number)
        position = min(error.pos, len(text.rstrip("\r\n"))) + 1
        cause = f"is not valid JSON ({error.msg}, character {position})"
        return self._refused(number, cause, "Each line must be one whole JSON object.")

    def _too_deep(self, number: int) -> InputError:
        return self._refused(number, "is nested too deeply", "Write the inner part as a string.")

    def _refused(self, number: int, cause: str, hint: str) -> InputError:
        return InputError(f"Line {number} of {self._name} {cause}.", hint)


class JsonLinesWriter:
    """Writes JSON Lines: for each row one object that has every column."""

    def __init__(self, file: BinaryIO, columns: Sequence[str]) -> None:
        self._file = file
        self._columns = columns

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        objects = (dict(zip(self._columns, row, strict=True)) for row in rows)
        self._file.write(b"".join([orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in objects]))

    def close(self) -> None:
        """Nothing is left to do: every row is already with the file."""


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
