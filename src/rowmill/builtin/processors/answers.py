"""Reads a model's answer into output columns, or says in one sentence why it cannot."""

from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs
import orjson

from rowmill.core.columns import answer_schema
from rowmill.core.quote import one_line

_LONGEST_QUOTE = 120


class InvalidAnswer(ValueError):
    """Its text is the sentence to show."""


class AnswerReader:
    """``outputs`` maps each column to its JSON Schema. With ``structured`` an answer is one JSON object that holds them
    all; without it, the whole text is the one column's value."""

    def __init__(self, outputs: Mapping[str, Mapping[str, Any]], *, structured: bool) -> None:
        self.schema = answer_schema(outputs)
        self._parse = _object if structured else self._whole_text
        self._columns = tuple(outputs)
        self._repairs = {name: repair for name, schema in outputs.items() if (repair := _repair(schema))}
        self._validator = jsonschema_rs.validator_for(self.schema, offline=True)

    def read(self, text: str) -> dict[str, Any]:
        """The value of each output column. Raises ``InvalidAnswer``."""
        answer = self._parse(text)
        values = {name: answer[name] for name in self._columns if name in answer}
        for name, repair in self._repairs.items():
            if name in values:
                values[name] = repair(values[name])
        if not self._validator.is_valid(values):
            raise InvalidAnswer(self._complaint(values))
        return values

    def _whole_text(self, text: str) -> dict[str, Any]:
        if not (stripped := text.strip()):
            raise InvalidAnswer("The answer is empty.")
        return {self._columns[0]: stripped}

    def _complaint(self, values: dict[str, Any]) -> str:
        for name in self._columns:
            if name not in values:
                return f"The answer lacks {name!r}."
        error = next(iter(self._validator.iter_errors(values)))
        column, *inner = error.instance_path
        place = f"{column!r}{''.join(f'[{step!r}]' for step in inner)}"
        return f"The answer's {place} does not fit: {one_line(error.message, _LONGEST_QUOTE)}."


def _object(text: str) -> dict[str, Any]:
    """The answer as an object; fences and prose around it are passed over."""
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        answer = _outermost(text)
    if not isinstance(answer, dict):
        raise InvalidAnswer(f"The answer is not a JSON object: {one_line(text, _LONGEST_QUOTE) or 'it is empty'}.")
    return answer


def _outermost(text: str) -> Any:
    try:
        return orjson.loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        return None


def _repair(schema: Mapping[str, Any]) -> Callable[[Any], Any] | None:
    """What forgives a value its form where its meaning is beyond doubt."""
    if "enum" in schema:
        labels = {_folded(label): label for label in schema["enum"] if isinstance(label, str)}
        return lambda value: labels.get(_folded(value), value) if isinstance(value, str) else value
    if schema.get("type") == "integer":
        return lambda value: int(value) if isinstance(value, float) and value.is_integer() else value
    return None


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
