"""Output columns in every way they may be given."""

import enum
from dataclasses import dataclass
from typing import Any, Literal

import pydantic
import pytest

from rowmill.client.columns import schemas
from rowmill.core.errors import UsageError

LABELS = {"type": "string", "enum": ["good", "bad"]}


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


@dataclass
class Judged:
    mood: Literal["good", "bad"]
    score: float | None
    tags: list[str]


class Part(pydantic.BaseModel):
    name: str


class Review(pydantic.BaseModel):
    mood: Mood
    parts: list[Part]


@pytest.mark.parametrize("mood", ["good | bad", LABELS, Literal["good", "bad"], Mood])
def test_a_column_is_a_text_of_the_command_line_a_schema_or_a_type(mood: Any) -> None:
    assert schemas({"mood": mood, "score": int}) == {"mood": LABELS, "score": {"type": "integer"}}


def test_whole_texts_of_the_command_line_do_too() -> None:
    expected = {"mood": LABELS, "why": {"type": "string"}}
    assert schemas(["mood: good | bad", "why"]) == expected
    assert schemas("why") == {"why": {"type": "string"}}


def test_a_name_may_hold_a_colon() -> None:
    assert schemas({"a: b": "number"}) == {"a: b": {"type": "number"}}


def test_a_dataclass_has_a_column_for_each_field() -> None:
    assert schemas(Judged) == {
        "mood": LABELS,
        "score": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}},
    }


def test_a_pydantic_model_has_a_column_for_each_field_and_each_stands_alone() -> None:
    found = schemas(Review)
    assert found["mood"]["enum"] == ["good", "bad"]
    assert found["parts"]["items"]["properties"]["name"]["type"] == "string"
    assert "$ref" not in str(found)


@pytest.mark.parametrize(
    ("columns", "said"), [({"mood": bytes}, "bytes"), (dict, "columns"), ({"mood": "goood"}, "unknown type")]
)
def test_what_is_no_column_is_refused(columns: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        schemas(columns)
