from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.builtin.processors.answers import InvalidAnswer
from rowmill.builtin.processors.http_response import Response, ResponseReader, Results
from rowmill.core.errors import UsageError
from rowmill.core.outcome import Done, Failed

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
LIST = {"type": "array", "items": {"type": "string"}}
ANSWER = orjson.dumps(
    {
        "city": "Paris",
        "size": 2,
        "address": {"zip": "75001"},
        "items": [{"name": "a", "tags": ["x"]}, {"name": "b", "tags": []}],
        "one": [{"name": "a"}],
        "nothing": [],
        "null": None,
        'od"d 1': "y",
    }
).decode()


def no_header(name: str) -> None:
    return None


def read(outputs: dict[str, Any], paths: dict[str, str] | None = None, text: str = ANSWER) -> dict[str, Any]:
    return Results(outputs, paths or {}).read(text)


@pytest.mark.parametrize(
    ("schema", "path", "expected"),
    [
        (TEXT, "$.address.zip", "75001"),
        (NUMBER, "$.size", 2),
        ({"type": "object"}, "$.address", {"zip": "75001"}),
        (LIST, "$.items[*].name", ["a", "b"]),
        (LIST, "$.one[*].name", ["a"]),
        (LIST, "$.items[0].tags", ["x"]),
        (LIST, "$.items[?@.name == 'a'].tags", ["x"]),
        (LIST, "$.nothing", []),
        (TEXT, "$.items[?@.name == 'b'].name", "b"),
        ({}, "$.null", None),
    ],
)
def test_what_a_path_finds(schema: dict[str, Any], path: str, expected: Any) -> None:
    assert read({"out": schema}, {"out": path}) == {"out": expected}


def test_columns_without_a_path_take_the_member_of_their_name() -> None:
    assert read({"city": TEXT, 'od"d 1': TEXT}) == {"city": "Paris", 'od"d 1': "y"}
    assert read({"city": TEXT, "zip": TEXT}, {"zip": "$.address.zip"}) == {"city": "Paris", "zip": "75001"}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_column_name_can_be_a_member(name: str) -> None:
    text = orjson.dumps({name: "it", "other column": "x"}).decode()
    outputs = {name: TEXT, "other column": TEXT}
    assert read(outputs, text=text)[name] == ("it" if name != "other column" else "x")


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (TEXT, "plain", "plain"),
        (TEXT, "", ""),
        (TEXT, '"quoted"', "quoted"),
        (TEXT, '{"a": 1}', '{"a": 1}'),
        (TEXT, "12", "12"),
        (NUMBER, "12", 12),
        (LIST, '["a"]', ["a"]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
    ],
)
def test_a_single_column_takes_the_whole_answer(schema: dict[str, Any], text: str, expected: Any) -> None:
    assert read({"out": schema}, text=text) == {"out": expected}


@pytest.mark.parametrize(
    ("schema", "path", "text", "expected"),
    [
        (TEXT, "$.nowhere", ANSWER, 'The path $[\'nowhere\'] finds nothing in the answer: {"city":"Paris"'),
        (LIST, "$.nothing[*]", ANSWER, "The path $['nothing'][*] finds nothing"),
        (TEXT, "$.size", ANSWER, "The answer's 'out' does not fit: 2 is not of type \"string\"."),
        (TEXT, "$.null", ANSWER, "The answer's 'out' does not fit: null is not of type \"string\"."),
        (NUMBER, "$.city", ANSWER, 'The answer\'s \'out\' does not fit: "Paris" is not of type "number".'),
        (TEXT, "$.a", "<html>\n no</html>", "The answer is no JSON: <html> no</html>."),
        (TEXT, "$.a", "", "The answer is no JSON: it is empty."),
        (TEXT, "$..a", "[" * 500 + "]" * 500, "The path $..['a'] cannot be followed"),
    ],
)
def test_an_answer_that_does_not_fit(schema: dict[str, Any], path: str, text: str, expected: str) -> None:
    with pytest.raises(InvalidAnswer) as caught:
        read({"out": schema}, {"out": path}, text)
    assert str(caught.value).startswith(expected)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("path", "place"),
    [("city", 1), ("$.a[", 5), ("$..", 4), ("$.a b", 5), ("$['a", 4), ("$[?foo(@)]", 4), ("$[9e99]", 4)],
)
def test_a_path_that_cannot_be_read(path: str, place: int) -> None:
    with pytest.raises(UsageError, match=rf"of 'a' cannot be read at character {place}: "):
        Results({"a": TEXT}, {"a": path})


@given(st.text(alphabet="$.[]'\"abc*?@()=!<>&|01-:, \\", max_size=12))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    with suppress(UsageError):
        Results({"a": {}}, {"a": f"${text}"})


def test_a_path_of_no_column() -> None:
    with pytest.raises(UsageError, match=r"'ctiy', but no such output column\. Did you mean 'city'"):
        Results({"city": TEXT}, {"ctiy": "$.city"})


@pytest.mark.parametrize(
    ("body", "charset", "expected"),
    [
        ("é".encode(), "utf-8", "é"),
        ("é".encode("latin-1"), "latin-1", "é"),
        ("\ufeff12".encode(), "utf-8", "12"),
        (b"\xff", "utf-8", "\ufffd"),
        (b"x", "no-such-charset", "x"),
    ],
)
def test_how_text_is_read(body: bytes, charset: str, expected: str) -> None:
    reader = ResponseReader(Results({"out": TEXT}, {}))
    outcome = reader.read(Response("h", 200, no_header, body, charset))
    assert outcome == Done({"out": expected})


def test_a_secret_is_cut_out_before_a_quote_is_cut_short() -> None:
    secret = "s" * 40
    reader = ResponseReader(Results({"out": TEXT}, {}), (secret, "ss"))
    outcome = reader.read(Response("h", 404, no_header, f"{'x' * 100} {secret}".encode()))
    assert isinstance(outcome, Failed)
    assert "ss" not in outcome.message


@pytest.mark.parametrize(
    ("schema", "path", "text"),
    [
        (NUMBER, None, "18446744073709551616"),
        ({"type": "array"}, None, "[1, 18446744073709551616]"),
        (NUMBER, "$.a.b", '{"a": {"b": -9223372036854775809}}'),
        ({"type": "array"}, "$.a[*]", '{"a": [1, 123456789012345678901]}'),
    ],
)
def test_an_integer_that_would_be_rounded_is_refused(schema: dict[str, Any], path: str | None, text: str) -> None:
    reader = ResponseReader(Results({"out": schema}, {"out": path} if path else {}))
    outcome = reader.read(Response("h", 200, no_header, text.encode()))
    assert isinstance(outcome, Failed)
    assert (outcome.code, "beyond 64 bits" in outcome.message) == ("invalid_output", True)


def test_a_long_integer_that_is_not_picked_does_not_matter() -> None:
    text = '{"id": 123456789012345678901, "size": 18446744073709551615, "half": 0.5}'
    assert read({"size": NUMBER, "half": NUMBER}, text=text) == {"size": 2**64 - 1, "half": 0.5}


def test_a_secret_is_cut_out_also_as_json_escapes_it() -> None:
    secret = 'to"k\\en'
    reader = ResponseReader(Results({"out": TEXT}, {}), (secret,))
    outcome = reader.read(Response("h", 401, no_header, orjson.dumps({"got": secret})))
    assert isinstance(outcome, Failed)
    assert '{"got":"[secret]"}' in outcome.message
