"""A dataset's schema: what its columns hold, and how the values of a file are fitted to that.

What each type takes. White space around a value does not count, and empty text is no value (``None``); only ``text``
and columns without a type stay exactly as they were read.

========  ==============================================================================================================
integer   ASCII digits with or without a sign, within 64 bits; ``7.0``, as spreadsheets write it, is 7
number    the same, decimals with a point, exponents; never NaN or infinite. What is written as an integer stays one
boolean   true/false, yes/no, y/n, t/f, on/off, 1/0 in any case
date      an ISO 8601 date or date with time, kept as text: ``2026-02-01``, ``2026-02-01T03:04:05``
list      ``a | b``, or a JSON array
enum      one of its values; else the one that differs only in case and white space
========  ==============================================================================================================

Thousands may be grouped where that cannot be a decimal mark: ``1 234`` and ``1,234,567``, but not ``1,234``.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from math import isfinite
from typing import Any

import orjson

from rowmill.core.columns import folded_label, split_column
from rowmill.core.errors import UsageError
from rowmill.core.suggest import did_you_mean, listing
from rowmill.tables.headers import match_headers

TYPES = ("text", "integer", "number", "boolean", "date", "list")
_ALL_TYPES = (*TYPES, "enum")


@dataclass(frozen=True, slots=True)
class Field:
    """What one column holds. ``type`` is text, integer, number, boolean, date, list or enum, which has ``values``."""

    name: str
    type: str
    required: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields that were declared, and the column whose value tells one record from another."""

    fields: tuple[Field, ...] = ()
    key: str | None = None

    @property
    def names(self) -> list[str]:
        """The columns that it speaks of: its fields, and its key where that is none of them."""
        return list(dict.fromkeys([field.name for field in self.fields] + ([self.key] if self.key else [])))

    def merged(self, other: "Schema") -> "Schema":
        """This schema with the fields and the key of ``other`` in place of its own. What ``other`` calls a bit
        differently (see ``match_headers``) keeps the name that it has here. Raises ``UsageError``."""
        spelled = match_headers([field.name for field in other.fields], self.names)
        fields = {field.name: field for field in self.fields}
        fields |= {name: replace(field, name=name) for name, field in zip(spelled, other.fields, strict=True)}
        key = match_headers([other.key], [*self.names, *spelled])[0] if other.key else self.key
        return Schema(tuple(fields.values()), key)

    def as_json(self) -> dict[str, Any]:
        return {"fields": [asdict(field) for field in self.fields], "key": self.key}


def field_of(raw: Mapping[str, Any]) -> Field:
    """The field that ``dataclasses.asdict`` made this of. Raises ``UsageError`` for what is none."""
    name, kind, values = raw.get("name"), raw.get("type"), tuple(raw.get("values") or ())
    required = raw.get("required", False)
    if not isinstance(name, str) or not name:
        raise UsageError("A field of the schema has no name.", "Give it the name of its column.")
    if kind not in _ALL_TYPES:
        hint = f"{did_you_mean(str(kind), _ALL_TYPES)} A type is {listing(_ALL_TYPES)}.".strip()
        raise UsageError(f"The column {name!r} has the unknown type {kind!r}.", hint)
    if not isinstance(required, bool):
        raise UsageError(f"The column {name!r} has {required!r} for 'required'.", "Give it true or false.")
    if (kind == "enum") != bool(values) or not all(isinstance(value, str) and value.strip() for value in values):
        raise UsageError(f"The column {name!r} has no proper values.", "Give an enum its texts, other types none.")
    return Field(name, kind, required, values)


def schema_of(raw: Mapping[str, Any] | None) -> Schema:
    """The schema that ``Schema.as_json`` made this of; of none, one that asks for nothing. Raises ``UsageError``."""
    raw = raw or {}
    return Schema(tuple(field_of(field) for field in raw.get("fields", ())), raw.get("key"))


def parse_fields(columns: Iterable[str], required: Iterable[str], key: str | None) -> Schema:
    """Reads ``NAME``, ``NAME: TYPE`` (with ``date`` beside the types of output columns) or ``NAME: a | b``. Where a
    name in ``required`` or ``key`` means a column of these (see ``match_headers``), it is that one; a required column
    of no declared type is text. Raises ``UsageError``."""
    fields: dict[str, Field] = {}
    for column in columns:
        name, kind, values = split_column(column, TYPES)
        if name in fields:
            raise UsageError(f"The column {name!r} is declared twice.", "Leave one out.")
        fields[name] = Field(name, kind, values=values)
    for name in match_headers(list(dict.fromkeys(required)), list(fields)):
        fields[name] = replace(fields.get(name) or Field(name, "text"), required=True)
    return Schema(tuple(fields.values()), match_headers([key], list(fields))[0] if key else None)


def declared_schema(fields: Sequence[Field], key: str | None) -> Schema:
    """The schema with these fields; ``key`` may be the name of one of them, a bit differently written. Raises
    ``UsageError``."""
    names = [field.name for field in fields]
    if twice := next((name for place, name in enumerate(names) if name in names[:place]), None):
        raise UsageError(f"The column {twice!r} is declared twice.", "Leave one out.")
    checked = tuple(field_of(asdict(field)) for field in fields)
    return Schema(checked, match_headers([key], names)[0] if key else None)


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a row does not fit: the column, a stable code, and a sentence that names the value and the column."""

    column: str
    code: str
    message: str


class Coercer:
    """Fits rows with these columns to a schema. ``active`` is false where the schema asks nothing of any row."""

    def __init__(self, schema: Schema, columns: Sequence[str]) -> None:
        fields = {field.name: field for field in schema.fields}
        present = [(place, fields[column]) for place, column in enumerate(columns) if column in fields]
        self._columns = list(columns)
        self._typed = [(place, *_converters(field)) for place, field in present if field.type != "text"]
        self._required = [place for place, field in present if field.required]
        self._reach = 1 + max([place for place, *_ in self._typed] + self._required, default=-1)
        absent = (field for field in schema.fields if field.required and field.name not in columns)
        self._absent = next((_missing(field.name) for field in absent), None)
        self.active = bool(self._typed or self._required or self._absent)

    def coerce(self, row: list[Any]) -> list[Any] | Misfit:
        """``row`` itself, changed in place, or the first thing that is wrong with it: values that do not fit come
        before required ones that are missing. A row that ends early is taken as if ``None`` followed; one that does
        not fit may have been changed in part."""
        if not self.active:
            return row
        if self._absent:
            return self._absent
        if len(row) < self._reach:
            row += [None] * (self._reach - len(row))
        try:
            # This runs for every value of every import: what all types share is done here, not in a call for each.
            for place, from_text, from_value in self._typed:
                value = row[place]
                if type(value) is str:
                    text = value.strip()
                    row[place] = from_text(text) if text else None
                elif value is not None:
                    row[place] = from_value(value)
        except _Unfit as unfit:
            column = self._columns[place]
            return Misfit(column, unfit.code, f"{_shown(row[place])} in the column {column!r} {unfit.reason}")
        for place in self._required:
            if _is_empty(row[place]):
                return _missing(self._columns[place])
        return row


class _Unfit(Exception):
    """``reason`` is the rest of a sentence that begins with the value and its column."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason


_Converters = tuple[Callable[[str], Any], Callable[[Any], Any]]
"""How a type takes text, which is stripped and not empty, and how it takes what else JSON knows, but null. Either
raises ``_Unfit``."""


def _converters(field: Field) -> _Converters:
    return _one_of(field.values) if field.type == "enum" else _CONVERTERS[field.type]


def _missing(column: str) -> Misfit:
    return Misfit(column, "missing", f"The column {column!r} is required, but empty here.")


def _is_empty(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _shown(value: Any) -> str:
    """Text in quotes, other values as JSON; at most 40 characters of it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    short = text if len(text) <= 40 else f"{text[:40]}…"
    return repr(short) if isinstance(value, str) else short


_WHOLE = re.compile(r"([+-]?[0-9]+)(?:\.0)?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(\.[0-9]*)?|(\.[0-9]+))([eE][+-]?[0-9]+)?")
"""Its groups are what makes it no integer."""

_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:(?:,[0-9]{3}){2,}|(?:[ \u00a0\u202f][0-9]{3})+)")
_BETWEEN_GROUPS = re.compile(r"[, \u00a0\u202f]")
_SAFE_DIGITS = 18
"""So many digits are an integer within 64 bits, whatever they are."""


def _integer(text: str) -> int:
    if text.isdigit() and text.isascii() and len(text) <= _SAFE_DIGITS:
        return int(text)
    if match := _WHOLE.fullmatch(_ungrouped(text)):
        return _bounded(match[1])
    raise _Unfit("not_integer", f"is not an integer{_comma_hint(text)}.")


def _integer_value(value: Any) -> int:
    if type(value) is int or (type(value) is float and value.is_integer()):
        return _bounded(value)
    raise _Unfit("not_integer", "is not an integer.")


def _number(text: str) -> int | float:
    if text.isdigit() and text.isascii() and len(text) <= _SAFE_DIGITS:
        return int(text)
    match = _DECIMAL.fullmatch(text) or _DECIMAL.fullmatch(_ungrouped(text))
    if not match:
        raise _Unfit("not_number", f"is not a number{_comma_hint(text)}.")
    return _finite(float(text)) if match.lastindex else _bounded(match[0])


def _number_value(value: Any) -> int | float:
    if type(value) is int:
        return _bounded(value)
    if type(value) is float:
        return _finite(value)
    raise _Unfit("not_number", "is not a number.")


def _bounded(value: str | float) -> int:
    try:
        number = int(value)
    except ValueError:  # thousands of digits, which Python refuses to read
        number = 2**63
    if -(2**63) <= number < 2**63:
        return number
    raise _Unfit("too_large", "is beyond the integers of 64 bits.")


def _finite(number: float) -> float:
    if isfinite(number):
        return number
    raise _Unfit("too_large", "is beyond the numbers of 64 bits.")


def _ungrouped(text: str) -> str:
    return _BETWEEN_GROUPS.sub("", text) if _GROUPED.fullmatch(text) else text


def _comma_hint(text: str) -> str:
    return "; write decimals after a point, and thousands without a comma" if "," in text else ""


_BOOLEANS = dict.fromkeys(("true", "yes", "y", "t", "on", "1"), True) | dict.fromkeys(
    ("false", "no", "n", "f", "off", "0"), False
)


def _boolean(text: str) -> bool:
    answer = _BOOLEANS.get(text.lower())
    if answer is None:
        raise _Unfit("not_boolean", "is neither true nor false.")
    return answer


def _boolean_value(value: Any) -> bool:
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    raise _Unfit("not_boolean", "is neither true nor false.")


_ISO_TIME = re.compile(r"[0-9-]+[Tt ][0-9:]+(?:[.,]([0-9]+))?(?:[Zz]|[+-][0-9:]+)?")
_LOCAL_DATE = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4})")
_MICROSECONDS = len("2026-02-01T03:04:05.000000")


def _date(text: str) -> str:
    # By itself Python would take any character between date and time, and a week (2026-W05) for its Monday.
    try:
        if len(text) <= 10 and "W" not in text:
            return date.fromisoformat(text).isoformat()
        if match := _ISO_TIME.fullmatch(text):
            return _date_time(text.upper(), match[1] or "")
    except ValueError:
        pass
    raise _Unfit("not_date", f"is not a date; write {_iso_readings(text) or 'it like 2026-02-01'}.")


def _date_time(text: str, fraction: str) -> str:
    """Python keeps microseconds; finer digits are put back where they say anything."""
    finer = fraction[6:].rstrip("0")
    written = datetime.fromisoformat(text).isoformat(timespec="microseconds" if finer else "auto")
    return written[:_MICROSECONDS] + finer + written[_MICROSECONDS:] if finer else written


def _iso_readings(text: str) -> str:
    """What ``01/02/2026`` may mean: day first or month first."""
    match = _LOCAL_DATE.fullmatch(text)
    if not match:
        return ""
    readings = (f"{match[4]}-{match[m]:0>2}-{match[d]:0>2}" for d, m in ((1, 3), (3, 1)))
    return " or ".join(dict.fromkeys(filter(_is_date, readings)))


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _date_value(value: Any) -> str:
    raise _Unfit("not_date", "is not a date; write it as text like '2026-02-01'.")


_LONG_NUMBER = re.compile(r"[0-9]{19}")


def _list(text: str) -> list[Any]:
    if text.startswith("[") and text.endswith("]"):
        return _array(text)
    return [item for part in text.split("|") if (item := part.strip())]


def _array(text: str) -> list[Any]:
    try:
        items: list[Any] = orjson.loads(text)
        orjson.dumps([items])  # it reads deeper nesting than it writes
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise _Unfit("not_list", "is not a JSON array; write it like a | b.") from error
    if _LONG_NUMBER.search(text):  # which orjson may have rounded
        json.loads(text, parse_int=_bounded)
    return items


def _list_value(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise _Unfit("not_list", "is not a list.")


def _one_of(values: Sequence[str]) -> _Converters:
    exact = {value: value for value in values}
    folded = {folded_label(value): value for value in reversed(values)}

    def from_text(text: str) -> str:
        value = exact.get(text) or folded.get(folded_label(text))
        if value is None:
            raise _Unfit("not_in_list", reason(text[:100]))
        return value

    @lru_cache(maxsize=1000)  # the search is slow, and a column that was declared wrongly repeats its values
    def reason(text: str) -> str:
        return f"is none of {listing(values)}. {did_you_mean(text, values)}".strip()

    def from_value(value: Any) -> str:
        whole = type(value) is float and value.is_integer()
        return from_text(str(int(value)) if whole else json.dumps(value))

    return from_text, from_value


_CONVERTERS: dict[str, _Converters] = {
    "integer": (_integer, _integer_value),
    "number": (_number, _number_value),
    "boolean": (_boolean, _boolean_value),
    "date": (_date, _date_value),
    "list": (_list, _list_value),
}
