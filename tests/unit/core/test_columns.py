from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.columns import Column, answer_schema, parse_column, parse_columns
from rowmill.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name", "schema", "typed"),
    [
        ("summary", "summary", {"type": "string"}, False),
        ("  two words  ", "two words", {"type": "string"}, False),
        ("summary: text", "summary", {"type": "string"}, False),
        ("stars:integer", "stars", {"type": "integer"}, True),
        ("price : Number", "price", {"type": "number"}, True),
        ("ok: boolean", "ok", {"type": "boolean"}, True),
        ("tags: list", "tags", {"type": "array", "items": {"type": "string"}}, True),
        ("mood: positive | negative", "mood", {"type": "string", "enum": ["positive", "negative"]}, True),
        ("when: 9:00|10:00", "when", {"type": "string", "enum": ["9:00", "10:00"]}, True),
    ],
)
def test_the_grammar(text: str, name: str, schema: dict[str, Any], typed: bool) -> None:
    assert parse_column(text) == Column(name, schema, typed)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The column '' has no name. Write NAME or NAME: TYPE."),
        (": text", "The column ': text' has no name. Write NAME or NAME: TYPE."),
        ("a:", "The column 'a' has a colon but no type."),
        ("a: intger", "The column 'a' has the unknown type 'intger'. Did you mean 'integer'? A type is 'text', "),
        ("a: string", "The column 'a' has the unknown type 'string'. Did you mean 'text'?"),
        ("a: positive", "The column 'a' has the unknown type 'positive'. A type is 'text', "),
        ("a: x |", "The column 'a' has an empty label in 'x |'. Write at least two labels: 'a | b'."),
        ("a: x | y | X", "The column 'a' has the label 'x' twice (case does not count). Leave one out."),
    ],
)
def test_what_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_column(text)
    assert str(caught.value).startswith(sentence)


def test_a_column_given_twice_is_refused() -> None:
    assert [column.name for column in parse_columns(["a", "b: list"])] == ["a", "b"]
    with pytest.raises(UsageError, match="'a' is given twice"):
        parse_columns(["a", "b", "a: integer"])


def test_the_answer_schema_asks_for_each_column_and_nothing_else() -> None:
    schema = answer_schema({"mood": {"type": "string", "enum": ["a", "b"]}, "stars": {"type": "integer"}})
    assert schema == {
        "type": "object",
        "properties": {"mood": {"type": "string", "enum": ["a", "b"]}, "stars": {"type": "integer"}},
        "required": ["mood", "stars"],
        "additionalProperties": False,
    }


@given(st.text())
def test_any_text_is_a_column_with_a_valid_schema_or_refused(text: str) -> None:
    try:
        column = parse_column(text)
    except UsageError:
        return
    assert column.name == column.name.strip() != ""
    jsonschema_rs.meta.validate(column.schema)
