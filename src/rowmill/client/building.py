"""Shapes from the API's JSON. Fields and enum values that are not known are passed over, so that a newer server can be
talked to."""

import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from rowmill.client.errors import ApiError


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


D = TypeVar("D", bound=_Dataclass)


def build(cls: type[D], data: Mapping[str, Any], **own: Any) -> D:
    """A ``cls`` from ``data``, and from ``own`` values that are not part of the JSON. Raises ``ApiError`` if a field is
    missing."""
    try:
        values = {name: make(data[name]) for name, make in _plan(cls) if name not in own}
    except KeyError as error:
        hint = "Check that client and server have the same version."
        raise ApiError(200, "not_understood", f"The server's answer has no {error.args[0]!r}.", hint) from None
    return cls(**values, **own)


@cache
def _plan(cls: type[Any]) -> list[tuple[str, Callable[[Any], Any]]]:
    hints = get_type_hints(cls)
    return [(field.name, _maker(hints[field.name])) for field in fields(cls)]


def _maker(hint: Any) -> Callable[[Any], Any]:
    """What makes a value of type ``hint`` from JSON."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        inner = _maker(next(arg for arg in args if arg is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin is list:
        inner = _maker(args[0])
        return lambda value: [inner(each) for each in value]
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda value: build(hint, value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: _member(hint, value)
    if hint is datetime:
        return datetime.fromisoformat
    return lambda value: value


def _member(enum: type[Enum], value: object) -> object:
    with suppress(ValueError):
        return enum(value)
    return value
