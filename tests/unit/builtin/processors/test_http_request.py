from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rowmill.builtin.processors.http_request import InvalidRequest, Request, RequestTemplate
from rowmill.core.errors import UsageError
from rowmill.core.template import written

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def render(values: dict[str, Any], **config: Any) -> Request:
    return RequestTemplate({"url": "https://h/", **config}).render(values)


def body(text: str, values: dict[str, Any], **config: Any) -> bytes:
    rendered = render(values, body=text, **config).body
    assert rendered is not None
    return rendered


@given(VALUES)
def test_a_value_stays_one_segment_of_the_path(value: Any) -> None:
    text = written(value)
    assume(text not in ("", ".", ".."))
    url = render({"x": value}, url="https://h/v1/{{x}}/end").url
    _, version, segment, end = url.raw_path.split("/")
    assert segment == quote(text, safe="")
    assert (version, unquote(segment), end) == ("v1", text, "end")
    assert (url.host, url.raw_query_string, url.raw_fragment) == ("h", "", "")


@given(VALUES, VALUES)
def test_a_value_stays_one_parameter_of_the_query(first: Any, second: Any) -> None:
    url = render({"a": first, "b": second}, url="https://h/?a={{a}}&b={{b}}").url
    assert parse_qsl(url.raw_query_string, keep_blank_values=True) == [("a", written(first)), ("b", written(second))]


@given(VALUES)
def test_no_value_changes_the_host_behind_its_back(value: Any) -> None:
    template = RequestTemplate({"url": "https://{{x}}.example.com/v1"})
    try:
        url = template.render({"x": value}).url
    except InvalidRequest:
        return
    assert (url.host or "").endswith(".example.com")
    assert url.path == "/v1"


@pytest.mark.parametrize("value", ["", ".", "..", None])
def test_no_value_takes_a_segment_away(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="a whole segment"):
        render({"id": value}, url="https://h/users/{{id}}")


def test_a_part_of_a_segment_may_be_empty() -> None:
    assert render({}, url="https://h//a{{x}}/?q={{x}}").url.raw_path_qs == "//a/?q="


def test_a_url_may_come_from_a_column() -> None:
    assert str(render({"u": "https://h/a/b?c=d"}, url="{{ u }}").url) == "https://h/a/b?c=d"
    for value in (
        "",
        "x",
        "file:///etc/passwd",
        "https://",
        "https://a b/",
        "https://h:99999/",
        f"https://{'a' * 70}/",
    ):
        with pytest.raises(InvalidRequest):
            render({"u": value}, url="{{u}}")


def test_what_the_template_s_author_wrote_is_kept() -> None:
    assert str(render({"x": "ö"}, url="https://ü.de/ä%2Fb/{{x}}").url) == "https://xn--tda.de/%C3%A4%2Fb/%C3%B6"


@pytest.mark.parametrize("url", ["", "h/x", "ftp://h/", "{{base}}/v1", "https://", "https:///x", "https://h:port/"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="is not an HTTP address"):
        RequestTemplate({"url": url})


@given(VALUES, VALUES, VALUES)
def test_a_json_body_stays_json_of_its_shape(inside: Any, bare: Any, other: Any) -> None:
    text = '{"a": "<{{in}}>", "b": {{bare}}, "c\\"": ["{{in}}", {{other}}], "n": 12345678901234567890123}'
    sent = body(text, {"in": inside, "bare": bare, "other": other})
    answer = orjson.loads(sent)
    assert list(answer) == ["a", "b", 'c"', "n"]
    assert (answer["a"], answer['c"'][0]) == (f"<{written(inside)}>", written(inside))
    assert answer["b"] == (bare if not isinstance(bare, str) else orjson.loads(orjson.dumps(answer["b"])))
    assert len(answer['c"']) == 2
    assert b"12345678901234567890123" in sent


@given(TEXTS)
def test_a_text_in_a_value_s_place_is_a_text_unless_it_reads_as_a_scalar(value: str) -> None:
    answer = orjson.loads(body("[{{x}}]", {"x": value}))
    assert answer == [value] or value.strip() in ("true", "false", "null") or isinstance(answer[0], int | float)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", b"[7]"),
        ("-1.50", b"[-1.50]"),
        ("123456789012345678901234567890", b"[123456789012345678901234567890]"),
        ("true", b"[true]"),
        ("null", b"[null]"),
        ("007", b'["007"]'),
        ("NaN", b'["NaN"]'),
        ("1 ", b'["1 "]'),
        ("1\n", b'["1\\n"]'),
        ('"x"', b'["\\"x\\""]'),
        ("[1]", b'["[1]"]'),
        ("٣", '["٣"]'.encode()),
        (7, b"[7]"),
        (None, b"[null]"),
        ([1, "a"], b'[[1,"a"]]'),
    ],
)
def test_a_value_in_its_own_place(value: Any, expected: bytes) -> None:
    assert body("[{{x}}]", {"x": value}) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"a": {{x}}',
        '{"a": {{x}},}',
        "{ {{x}}: 1}",
        "[1{{x}}]",
        "[-{{x}}]",
        '["\\{{x}}"]',
        '["\\u00{{x}}"]',
        '["a" {{x}}]',
        "[{{x}}{{y}}]",
    ],
)
def test_a_body_that_is_nearly_json(text: str) -> None:
    with pytest.raises(UsageError, match="The body is no JSON"):
        RequestTemplate({"url": "https://h/", "body": text})


@pytest.mark.parametrize(
    ("text", "header", "sent", "content_type"),
    [
        ('"{{x}}"', None, b'"a&\\"b"', "application/json"),
        ("{{x}}", None, b'a&"b', "text/plain; charset=utf-8"),
        ("{{doc}}", None, b'{"k": 1}', "application/json"),
        ("Hi {{x}}", None, b'Hi a&"b', "text/plain; charset=utf-8"),
        ("q={{x}}&r=1", "application/x-www-form-urlencoded", b"q=a%26%22b&r=1", "application/x-www-form-urlencoded"),
        ("[{{x}}", "text/plain", b'[a&"b', "text/plain"),
        ('["{{x}}"]', "application/vnd.api+json; v=1", b'["a&\\"b"]', "application/vnd.api+json; v=1"),
    ],
)
def test_what_is_sent_and_as_what(text: str, header: str | None, sent: bytes, content_type: str) -> None:
    headers = {"content-type": header} if header else {}
    request = render({"x": 'a&"b', "doc": '{"k": 1}'}, body=text, headers=headers)
    assert request.body == sent
    assert {name.lower(): value for name, value in request.headers.items()} == {"content-type": content_type}
    assert request.method == "POST"


@given(st.dictionaries(st.sampled_from("ab"), TEXTS, min_size=2))
def test_a_form_keeps_its_fields(values: dict[str, str]) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = body("a={{a}}&b={{b}}", values, headers=headers).decode()
    assert parse_qsl(sent, keep_blank_values=True) == [("a", values["a"]), ("b", values["b"])]


@given(TEXTS)
def test_no_value_begins_another_header(value: str) -> None:
    try:
        sent = render({"x": value}, headers={"X-A": "v {{x}}"}).headers["X-A"]
    except InvalidRequest:
        assert any(ord(character) < 32 or ord(character) == 127 for character in value)
    else:
        assert sent == f"v {value}".strip()
        assert not set("\r\n\0") & set(sent)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ü", "Content-Length", "transfer-encoding"])
def test_a_header_that_cannot_be_set(name: str) -> None:
    with pytest.raises(UsageError, match="is no header that can be set"):
        RequestTemplate({"url": "https://h/", "headers": {name: "x"}})


def test_a_header_with_a_line_break_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_TOKEN", "very-secret\r\nX: y")
    for text in ("a\nb", "${EXAMPLE_TOKEN}"):
        with pytest.raises(UsageError, match="holds a line break") as caught:
            RequestTemplate({"url": "https://h/", "headers": {"X": text}})
        assert "very-secret" not in str(caught.value)


def test_a_secret_s_own_braces_and_outer_blanks_mean_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_TOKEN", " {{x}} \n")
    assert render({"x": "row"}, headers={"X": "k ${EXAMPLE_TOKEN}-{{x}}"}).headers == {"X": "k {{x}}-row"}


def test_a_method_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"'PSOT' is not known\. Did you mean 'POST'"):
        RequestTemplate({"url": "https://h/", "method": "PSOT"})


@pytest.mark.parametrize("url", ["https://user:password@h/", "HTTPS://user@h/{{x}}", "https://h/?key=${EXAMPLE_TOKEN}"])
def test_a_secret_in_the_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        RequestTemplate({"url": url})
    assert caught.value.hint.startswith("Put it into a header")
    assert "password@" not in str(caught.value)
