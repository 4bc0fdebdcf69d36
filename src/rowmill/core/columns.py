"""Output columns: the grammar of ``-c/--column`` and the JSON Schema that it stands for.

::

    NAME                      text
    NAME: TYPE                text, integer, number, boolean or list (of texts)
    NAME: LABEL | LABEL …     exactly one of the labels
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rowmill.core.errors import UsageError
from rowmill.core.suggest import did_you_mean, listing

_TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "string"}},
}
_OTHER_WORDS = {
    "string": "text",
    "str": "text",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "array": "list",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One output column. ``typed`` is false for text: a model's whole answer will do for it."""

    name: str
    schema: dict[str, Any]
    typed: bool


def parse_column(text: str) -> Column:
    """Reads ``NAME``, ``NAME: TYPE`` or ``NAME: a | b``. Raises ``UsageError``."""
    name, kind, labels = split_column(text, _TYPES)
    schema = {"type": "string", "enum": list(labels)} if labels else _TYPES[kind]
    return Column(name, schema, typed=kind != "text")


def split_column(text: str, types: Collection[str]) -> tuple[str, str, tuple[str, ...]]:
    """The name, the type (one of ``types``, or ``enum``) and the labels of an ``enum``. Raises ``UsageError``."""
    name, colon, kind = (part.strip() for part in text.partition(":"))
    if not name:
        raise UsageError(f"The column {text!r} has no name.", "Write NAME or NAME: TYPE.")
    if not colon:
        return name, "text", ()
    if "|" in kind:
        return name, "enum", _labels(name, kind)
    return name, _type(name, kind, types), ()


def parse_columns(texts: Iterable[str]) -> tuple[Column, ...]:
    """Reads each and refuses a name given twice. Raises ``UsageError``."""
    columns = tuple(parse_column(text) for text in texts)
    names = [column.name for column in columns]
    if twice := _repeated(names):
        raise UsageError(f"The output column {twice!r} is given twice.", "Give each column a name of its own.")
    return columns


def answer_schema(outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The JSON Schema of an answer that fills all these columns; it keeps to what OpenAI's strict mode takes."""
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in outputs.items()},
        "required": list(outputs),
        "additionalProperties": False,
    }


def _type(name: str, kind: str, types: Collection[str]) -> str:
    word = kind.casefold()
    if word in types:
        return word
    meant = f"Did you mean {_OTHER_WORDS[word]!r}?" if word in _OTHER_WORDS else did_you_mean(word, types)
    hint = f"{meant} A type is {listing(types)} or at least two labels: 'a | b'.".strip()
    raise UsageError(
        f"The column {name!r} has {f'the unknown type {kind!r}' if kind else 'a colon but no type'}.", hint
    )


def _labels(name: str, kind: str) -> tuple[str, ...]:
    labels = tuple(label.strip() for label in kind.split("|"))
    if not all(labels):
        raise UsageError(f"The column {name!r} has an empty label in {kind!r}.", "Write at least two labels: 'a | b'.")
    if twice := _repeated([folded_label(label) for label in labels]):
        raise UsageError(f"The column {name!r} has the label {twice!r} twice (case does not count).", "Leave one out.")
    return labels


def folded_label(label: str) -> str:
    """Equal for labels that differ only in case and white space, which count as the same one."""
    return " ".join(label.split()).casefold()


def _repeated(names: list[str]) -> str | None:
    return next((name for place, name in enumerate(names) if name in names[:place]), None)
