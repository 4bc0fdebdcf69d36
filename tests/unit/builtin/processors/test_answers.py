from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.builtin.processors.answers import AnswerReader, InvalidAnswer

OUTPUTS: dict[str, dict[str, Any]] = {
    "mood": {"type": "string", "enum": ["very good", "Bad"]},
    "stars": {"type": "integer"},
    "tags": {"type": "array", "items": {"type": "string"}},
}
READER = AnswerReader(OUTPUTS, structured=True)
TEXT = AnswerReader({"summary": {"type": "string"}}, structured=False)
GOOD = '{"mood": "Bad", "stars": 2, "tags": ["a"]}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Sure! Here it is:\n{GOOD}\nAnything else?",
        '{"mood": " bAD\\n", "stars": 2.0, "tags": ["a"], "why": "not asked for"}',
    ],
)
def test_an_answer_is_read_whatever_stands_around_it(text: str) -> None:
    values = READER.read(text)
    assert values == {"mood": "Bad", "stars": 2, "tags": ["a"]}
    assert type(values["stars"]) is int


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The answer is not a JSON object: it is empty."),
        ("I cannot  say", "The answer is not a JSON object: I cannot say."),
        ("[1]", "The answer is not a JSON object: [1]."),
        ("} {", "The answer is not a JSON object: } {."),
        ('{"mood": "Bad", "tags": []}', "The answer lacks 'stars'."),
        (
            '{"mood": "so so", "stars": 1, "tags": []}',
            """The answer's 'mood' does not fit: "so so" is not one of "very good" or "Bad".""",
        ),
        (
            '{"mood": "Bad", "stars": "1", "tags": []}',
            """The answer's 'stars' does not fit: "1" is not of type "integer".""",
        ),
        (
            '{"mood": "Bad", "stars": 1, "tags": [3]}',
            """The answer's 'tags'[0] does not fit: 3 is not of type "string".""",
        ),
    ],
)
def test_one_sentence_says_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(InvalidAnswer) as caught:
        READER.read(text)
    assert str(caught.value) == sentence


def test_a_long_answer_is_not_quoted_whole() -> None:
    with pytest.raises(InvalidAnswer) as caught:
        READER.read("word " * 1000)
    assert len(str(caught.value)) < 200


def test_plain_text_is_the_whole_stripped_answer() -> None:
    assert TEXT.read("  {not: json}\n") == {"summary": "{not: json}"}
    with pytest.raises(InvalidAnswer, match=r"The answer is empty\."):
        TEXT.read(" \n ")


def test_plain_text_for_labels_is_held_to_them() -> None:
    reader = AnswerReader({"mood": {"type": "string", "enum": ["good", "bad"]}}, structured=False)
    assert reader.read("Good\n") == {"mood": "good"}
    with pytest.raises(InvalidAnswer, match='"fine" is not one of'):
        reader.read("fine")


@given(st.text() | st.text(st.sampled_from('{}[]":, 1moodstars')))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        values = READER.read(text)
    except InvalidAnswer:
        return
    assert set(values) == set(OUTPUTS)
