"""What each answer means. The same cases go over a real socket in ``test_openai.py``."""

from typing import Any

import orjson
import pytest

from rowmill.builtin.providers.chat_response import Answer, ChatResponse, Key, ResponseReader, error_of, rejects_schema
from rowmill.core.outcome import Failed, RetryLater, StopJob, Usage
from rowmill.plugins.contracts import Completion

KEY = "sk-very-secret-1234"


def key(value: str | None) -> Key:
    return Key("the key in EXAMPLE_KEY", "it is not set", "Set EXAMPLE_KEY to a key it accepts.", value)


READER = ResponseReader("api.example.org", "small", key(KEY), clock=lambda: 1000.0)


def read(status: int, body: object, headers: dict[str, str] | None = None, reader: ResponseReader = READER) -> Answer:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return reader.read(ChatResponse(status, (headers or {}).get, raw))


def no_header(name: str) -> None:
    return None


def completion(content: object = "fine", finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "choices": [{"message": {"content": content, **message}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    }


def error(message: str = "Something.", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def test_a_completion_has_its_text_and_its_tokens() -> None:
    assert read(200, completion()) == Completion("fine", Usage(7, 2))


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, ""), ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "fine"}], "fine")],
)
def test_content_in_other_shapes(content: object, text: str) -> None:
    assert read(200, completion(content)) == Completion(text, Usage(7, 2))


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}])
def test_usage_may_be_missing(usage: object) -> None:
    assert read(200, completion() | {"usage": usage}) == Completion("fine", Usage(0, 0))


@pytest.mark.parametrize("count", ["-1", "1099511627777", "1e300", "1.5", "true", '"many"', "[]"])
def test_a_count_that_can_be_none_is_unknown(count: str) -> None:
    body = orjson.dumps(completion()).replace(b":7", b":" + count.encode())
    assert read(200, body) == Completion("fine", Usage(0, 2))


def test_usage_has_what_the_server_reports_beyond_tokens_in_and_out() -> None:
    reported = completion() | {"service_tier": "flex"}
    reported["usage"] |= {
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    assert read(200, reported) == Completion("fine", Usage(7, 2, cached=4, reasoning=1, service_tier="flex"))


@pytest.mark.parametrize("details", [None, 3, [], {}, {"cached_tokens": None}, {"cached_tokens": "4"}])
def test_invalid_details_of_usage_are_ignored(details: object) -> None:
    reported = completion()
    reported["usage"] |= {"prompt_tokens_details": details, "completion_tokens_details": details}
    assert read(200, reported) == Completion("fine", Usage(7, 2))


def test_a_part_greater_than_its_whole_is_ignored() -> None:
    reported = completion()
    reported["usage"] |= {
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert read(200, reported) == Completion("fine", Usage(7, 2))


@pytest.mark.parametrize("tier", [None, 3, {}, "two\nlines"])
def test_an_invalid_service_tier_is_ignored(tier: object) -> None:
    assert read(200, completion() | {"service_tier": tier}) == Completion("fine", Usage(7, 2))


@pytest.mark.parametrize("usage", [[1], "x", 3])
def test_usage_that_is_no_object_is_unknown(usage: object) -> None:
    assert read(200, completion() | {"usage": usage}) == Completion("fine", Usage(0, 0))


@pytest.mark.parametrize(("said", "shown"), [("no", "no."), ("No.", "No."), ("Why?", "Why?")])
@pytest.mark.parametrize("status", [402, 403, 404])
def test_a_servers_words_end_as_a_sentence_before_the_hint(status: int, said: str, shown: str) -> None:
    outcome = read(status, error(said))
    assert isinstance(outcome, StopJob)
    assert outcome.message.endswith(f"api.example.org answered {status}: {shown}")


def test_a_spent_limit_holds_the_connection() -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "250ms"}
    assert read(200, completion(), headers) == Completion("fine", Usage(7, 2), hold=0.25)


def test_an_answer_that_was_cut_off_is_invalid_but_paid() -> None:
    outcome = read(200, completion("fi", "length"))
    assert isinstance(outcome, RetryLater)
    assert (outcome.code, outcome.usage) == ("invalid_output", Usage(7, 2))
    assert "cut off" in outcome.message


def test_filtered_and_refused_answers_fail_the_row() -> None:
    filtered = read(200, completion(None, "content_filter"))
    assert isinstance(filtered, Failed)
    assert (filtered.code, filtered.usage) == ("content_filter", Usage(7, 2))
    assert read(200, completion(None, refusal="I won't.")) == Failed(
        "refused", "small refused to answer: I won't.", Usage(7, 2)
    )


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", {}, {"choices": []}, {"choices": [{}]}, [], "x", None, {"choices": [{"message": 1}]}]
)
def test_what_is_no_completion_is_tried_again(body: object) -> None:
    outcome = read(200, body)
    assert isinstance(outcome, RetryLater)
    assert outcome.code == "invalid_response"


def test_an_error_inside_a_200_counts_as_its_own_status() -> None:
    outcome = read(200, error("Slow down.", code=429), {"retry-after": "3"})
    assert outcome == RetryLater("rate_limited", "api.example.org answered 429: Slow down.", 3.0, gate=True)


@pytest.mark.parametrize(
    "body",
    [error("Why."), {"error": "Why."}, {"message": "Why."}, [error("Why.")], b"Why."],
    ids=["object", "text", "flat", "list", "no JSON"],
)
def test_the_servers_own_words_are_found_in_any_shape(body: object) -> None:
    assert read(400, body) == Failed("bad_request", "api.example.org answered 400: Why.")


def test_an_empty_refusal_still_makes_a_sentence() -> None:
    assert read(400, b"") == Failed("bad_request", "api.example.org answered 400: nothing more.")
    assert error_of(b"3") == {}


def test_long_words_are_cut_and_put_on_one_line() -> None:
    outcome = read(400, error("too\nmany words " * 1000))
    assert isinstance(outcome, Failed)
    assert len(outcome.message) < 400
    assert "\n" not in outcome.message


def test_without_a_key_the_message_says_that_none_was_sent() -> None:
    reader = ResponseReader("localhost:1234", "small", key(None))
    assert read(401, b"", reader=reader) == StopJob(
        "key_refused",
        "localhost:1234 wants a key and none was sent (401).",
        "Set EXAMPLE_KEY to a key it accepts.",
    )


def test_a_redirect_names_the_host_and_nothing_secret() -> None:
    outcome = read(301, b"", {"location": f"https://user:{KEY}@new.example.org/v1?key={KEY}"})
    assert isinstance(outcome, StopJob)
    assert outcome.code == "redirected"
    assert "redirects to https://new.example.org (301)" in outcome.message


@pytest.mark.parametrize("location", [None, "/v2", "https://[::1/v1"])
def test_a_redirect_to_nowhere_stops_the_job_too(location: str | None) -> None:
    outcome = read(302, b"", {"location": location} if location else {})
    assert isinstance(outcome, StopJob)


@pytest.mark.parametrize("status", [200, *range(300, 309), *range(400, 432), 451, *range(500, 512), 529])
def test_the_key_is_in_no_message(status: int) -> None:
    outcome = read(status, error(f"Bad key: {KEY}", code=KEY, type=KEY), {"location": f"/{KEY}"})
    assert KEY not in repr(outcome)
    assert KEY not in repr(READER)


@pytest.mark.parametrize(
    ("status", "message", "rejected"),
    [
        (400, "Unsupported parameter: response_format", True),
        (422, "'type' must be 'text' or 'json_object', not 'json_schema'", True),
        (400, "temperature must be below 2", False),
        (500, "response_format", False),
        (200, "response_format", False),
    ],
)
def test_when_a_schema_is_rejected(status: int, message: str, rejected: bool) -> None:
    assert rejects_schema(ChatResponse(status, no_header, orjson.dumps(error(message)))) is rejected


@pytest.mark.parametrize("body", [{"object": "list", "data": []}, [{"id": "small"}]])
def test_a_list_of_models_has_nothing_against_the_connection(body: object) -> None:
    assert READER.read_models(ChatResponse(200, no_header, orjson.dumps(body))) is None


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b"<html>Welcome</html>", "invalid_response"),
        (200, b'{"error": {"code": 401, "message": "No."}}', "key_refused"),
        (401, b"{}", "key_refused"),
        (402, b"{}", "no_credit"),
        (403, b"{}", "forbidden"),
        (404, b"{}", "http_404"),
        (405, b"{}", "http_405"),
        (429, b"{}", "rate_limited"),
        (500, b"{}", "server_error"),
    ],
)
def test_what_else_comes_instead_of_a_list_of_models(status: int, body: bytes, code: str) -> None:
    answer = READER.read_models(ChatResponse(status, no_header, body))
    assert answer is not None
    assert answer.code == code


def test_the_key_of_a_connection_is_called_so() -> None:
    secret = Key("the key of the connection acme", "it has none", "Replace it.", KEY)
    answer = read(401, {}, reader=ResponseReader("localhost", "small", secret))
    assert answer == StopJob("key_refused", "localhost refused the key of the connection acme (401).", "Replace it.")
    assert KEY not in repr(secret)
