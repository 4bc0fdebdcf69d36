"""Values of Arrow arrays as JSON knows them: exact, or as text that loses nothing."""

import base64
from collections.abc import Callable
from itertools import islice
from typing import Any

import orjson
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.types as kinds  # type: ignore[import-untyped]

from rowmill.builtin.formats.plain import iso_duration, plain_float, short_fraction

Convert = Callable[[Any], list[Any]]
"""From an array of one type to its values."""

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def values_of(field: Any, array: Any) -> list[Any]:
    """The values of a column. Raises ``ArrowTypeError`` for a type that has none in JSON."""
    if is_json(field):
        return _each(orjson.loads, array)
    return _values(array)


def json_field(name: str) -> Any:
    """A column of text that is JSON, and marked as such."""
    return pa.field(name, pa.string(), metadata={b"rowmill": b"json"})


def is_json(field: Any) -> bool:
    return (field.metadata or {}).get(b"rowmill") == b"json"


def _values(array: Any) -> list[Any]:
    kind = array.type
    for fits, convert in _CONVERTERS:
        if fits(kind):
            return convert(array)
    raise pa.ArrowTypeError(f"values of the type {kind} have no place in a table")


def _each(convert: Callable[[Any], Any], array: Any) -> list[Any]:
    return [None if value is None else convert(value) for value in array.to_pylist()]


def _as_they_are(array: Any) -> list[Any]:
    values: list[Any] = array.to_pylist()
    return values


def _floats(array: Any) -> list[Any]:
    return _each(plain_float, array)


def _decimals(array: Any) -> list[Any]:
    """Whole numbers where the column knows no others and 64 bits hold them, else text with every digit."""
    scale = array.type.scale

    def convert(value: Any) -> int | str:
        if scale <= 0 and -(2**63) <= value < 2**64:
            return int(value)
        return f"{value:f}"

    return _each(convert, array)


def _dates_and_times(array: Any) -> list[Any]:
    return _each(short_fraction, array.cast(pa.string()))


def _timestamps(array: Any) -> list[Any]:
    """With a time zone: the same moment in UTC. Arrow's own text is used, for Python knows neither nanoseconds nor
    years beyond 9999."""
    suffix = "Z" if array.type.tz else ""
    text = array.cast(pa.timestamp(array.type.unit)).cast(pa.string())
    return _each(lambda value: short_fraction(value.replace(" ", "T")) + suffix, text)


def _durations(array: Any) -> list[Any]:
    nanoseconds = _NANOSECONDS[array.type.unit]
    return _each(lambda value: iso_duration(value * nanoseconds), array.cast(pa.int64()))


def _bytes(array: Any) -> list[Any]:
    def convert(value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()

    return _each(convert, array)


def _lists(array: Any) -> list[Any]:
    lengths = pc.list_value_length(array).to_pylist()
    inner = iter(_values(array.flatten()))
    return [None if length is None else list(islice(inner, length)) for length in lengths]


def _structs(array: Any) -> list[Any]:
    names = [field.name for field in array.type]
    if len(set(names)) < len(names):
        raise pa.ArrowTypeError(f"of the fields of {array.type} two have the same name")
    fields = zip(*map(_values, array.flatten()), strict=True) if names else iter([()] * len(array))
    return [
        dict(zip(names, values, strict=True)) if valid else None
        for values, valid in zip(fields, array.is_valid().to_pylist(), strict=True)
    ]


def _maps(array: Any) -> list[Any]:
    """An object, as JSON has it; a key that is no text is written as JSON. Of equal keys the last counts."""
    kind = array.type
    entries = pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)])
    return [
        None if pairs is None else {_key(pair["key"]): pair["value"] for pair in pairs}
        for pairs in _lists(array.cast(pa.list_(entries)))
    ]


def _key(value: Any) -> str:
    return value if type(value) is str else orjson.dumps(value).decode()


def _decoded(array: Any) -> list[Any]:
    return _values(array.dictionary_decode())


def _extensions(array: Any) -> list[Any]:
    if array.type.extension_name == "arrow.uuid":
        return _each(str, array)
    return _values(array.storage)


def _is_text(kind: Any) -> bool:
    return any(fits(kind) for fits in (kinds.is_string, kinds.is_large_string, kinds.is_string_view))


def _is_binary(kind: Any) -> bool:
    return any(
        fits(kind)
        for fits in (kinds.is_binary, kinds.is_large_binary, kinds.is_fixed_size_binary, kinds.is_binary_view)
    )


def _is_list(kind: Any) -> bool:
    return any(
        fits(kind)
        for fits in (
            kinds.is_list,
            kinds.is_large_list,
            kinds.is_fixed_size_list,
            kinds.is_list_view,
            kinds.is_large_list_view,
        )
    )


def _is_extension(kind: Any) -> bool:
    return isinstance(kind, pa.BaseExtensionType)


_CONVERTERS: list[tuple[Callable[[Any], bool], Convert]] = [
    (_is_extension, _extensions),
    (_is_text, _as_they_are),
    (kinds.is_integer, _as_they_are),
    (kinds.is_boolean, _as_they_are),
    (kinds.is_null, _as_they_are),
    (kinds.is_floating, _floats),
    (kinds.is_decimal, _decimals),
    (kinds.is_timestamp, _timestamps),
    (kinds.is_date, _dates_and_times),
    (kinds.is_time, _dates_and_times),
    (kinds.is_duration, _durations),
    (_is_binary, _bytes),
    (kinds.is_dictionary, _decoded),
    (_is_list, _lists),
    (kinds.is_struct, _structs),
    (kinds.is_map, _maps),
]
"""How each kind of type is converted; an extension type is asked first, for it may look like what it stands on."""
