"""Frozen dataclasses from the API's JSON: what is not known is left out, moments are read."""

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from rowmill.client.errors import ApiError


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


D = TypeVar("D", bound=_Dataclass)


def build(cls: type[D], data: Mapping[str, Any], **own: Any) -> D:
    """A ``cls`` of ``data``, and of ``own`` values that are no part of the JSON. Raises ``ApiError`` where something is
    missing that has no default."""
    values = dict(own)
    for name, key, made, needed in _plan(cls):
        if name in own:
            continue
        if key in data:
            values[name] = made(data[key])
        elif needed:
            hint = "See that client and server are of the same version."
            raise ApiError(200, "not_understood", f"The server's answer has no {key!r}.", hint)
    return cls(**values)


@cache
def _plan(cls: type[Any]) -> list[tuple[str, str, Callable[[Any], Any], bool]]:
    hints = get_type_hints(cls)
    return [
        (
            field.name,
            field.metadata.get("key", field.name),
            _making(hints[field.name]),
            field.default is MISSING and field.default_factory is MISSING,
        )
        for field in fields(cls)
        if field.init and not field.metadata.get("own")
    ]


def _making(hint: Any) -> Callable[[Any], Any]:
    """What makes a value of type ``hint`` from JSON."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        inner = _making(next(arg for arg in args if arg is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin is list:
        inner = _making(args[0])
        return lambda value: [inner(each) for each in value]
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda value: build(hint, value)
    if hint is datetime:
        return datetime.fromisoformat
    return lambda value: value
