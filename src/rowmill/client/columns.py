"""Output columns in every way they may be given, as JSON Schema."""

import dataclasses
import enum
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from rowmill.core.columns import parse_column, parse_columns
from rowmill.core.errors import UsageError

Columns: TypeAlias = Mapping[str, Any] | Iterable[str] | str | type
"""``{"mood": "good | bad"}``; a value is what stands behind the colon of ``rowmill run -c``, a JSON Schema, or a Python
type. Or the whole texts of ``-c``; or a dataclass or pydantic model with one field per column."""

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    list: {"type": "array", "items": {"type": "string"}},
}


def schemas(columns: Columns) -> dict[str, dict[str, Any]]:
    """The JSON Schema of each output column. Raises ``UsageError``."""
    if isinstance(columns, str):
        columns = [columns]
    if isinstance(columns, type):
        return _of_class(columns)
    if isinstance(columns, Mapping):
        return {name: _schema(name, kind) for name, kind in columns.items()}
    return {column.name: column.schema for column in parse_columns(columns)}


def _schema(name: str, kind: Any) -> dict[str, Any]:
    if isinstance(kind, str):
        return parse_column(f"{name.replace(':', ' ')}: {kind}").schema
    if isinstance(kind, Mapping):
        return dict(kind)
    return _of_type(name, kind)


def _of_class(cls: type) -> dict[str, dict[str, Any]]:
    if hasattr(cls, "model_json_schema"):
        whole = cls.model_json_schema()
        return {name: _inlined(schema, whole.get("$defs", {})) for name, schema in whole["properties"].items()}
    if dataclasses.is_dataclass(cls):
        hints = get_type_hints(cls)
        return {field.name: _of_type(field.name, hints[field.name]) for field in dataclasses.fields(cls)}
    raise UsageError(f"{cls.__name__} does not say which columns there are.", "Give a dataclass or a pydantic model.")


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """``schema`` with what it refers to put in its place: it stands alone from here on."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        return _inlined(definitions[reference.rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _of_type(name: str, kind: Any) -> dict[str, Any]:
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(args)} if not all(isinstance(arg, str) for arg in args) else _labels(args)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _labels(member.value for member in kind)
    if origin is list:
        return {"type": "array", "items": _of_type(name, args[0])}
    if origin in (types.UnionType, Union):
        return {"anyOf": [{"type": "null"} if arg is type(None) else _of_type(name, arg) for arg in args]}
    hint = "Give str, int, float, bool, list[str] or a Literal; or write it as JSON Schema."
    raise UsageError(f"The type {kind!r} of the column {name!r} cannot be asked for.", hint)


def _labels(values: Iterable[Any]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}
