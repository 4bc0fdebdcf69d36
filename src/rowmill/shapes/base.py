"""What all shapes share: their base, pages, and how they are written as JSON."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

import orjson

from rowmill.core.timestamps import rfc3339

T = TypeVar("T")

Json = dict[str, Any]


class Shape:
    """The base of all shapes. It tells pydantic, which describes the API, to read the docstrings of attributes."""

    __pydantic_config__: ClassVar[dict[str, bool]] = {
        "use_attribute_docstrings": True,
        "json_schema_serialization_defaults_required": True,
    }


@dataclass(frozen=True)
class Page(Shape, Generic[T]):
    """One page of a list."""

    data: list[T]
    has_more: bool
    next_cursor: str | None
    """Pass it unchanged as `cursor` to get the next page; null on the last page."""


def to_json(value: object, *, indent: bool = False) -> bytes:
    """``value``, a shape or anything made of shapes and JSON, as JSON. Times are RFC 3339 in UTC with milliseconds."""
    options = orjson.OPT_PASSTHROUGH_DATETIME | (orjson.OPT_INDENT_2 if indent else 0)
    return orjson.dumps(value, _default, options)


def _default(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
