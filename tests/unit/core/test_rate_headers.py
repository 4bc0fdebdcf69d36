import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.rate_headers import retry_after, spent_limit

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def clock() -> float:
    return NOW


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 -0000"}, 30.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT", "date": "Tue, 14 Nov 2023 22:13:45 GMT"}, 5.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "what", "retry-after": "9"}, 9.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "12", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"retry-after": "2", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 2.0),
    ],
)
def test_how_long_a_refusal_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers.get, clock) == seconds


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("250ms", 0.25),
        ("1h2m3.5s", 3723.5),
        ("1d", 86400.0),
        ("12", 12.0),
        ("0.5", 0.5),
        ("1700000060", 60.0),
        ("1700000060000", 60.0),
        ("", None),
        ("later", None),
        ("5parsecs", None),
    ],
)
def test_when_a_spent_limit_opens_again(reset: str, seconds: float | None) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}
    assert spent_limit(headers.get, clock) == seconds


def test_the_later_of_two_spent_limits_counts() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "4s",
    }
    assert spent_limit(headers.get, clock) == 4.0


@given(st.text() | st.from_regex(r"[0-9.]{1,40}(ms|s|m|h|d)?") | st.datetimes().map(str))
def test_no_header_breaks_the_reading(value: str) -> None:
    seconds = retry_after({"retry-after": value, "date": value}.get, clock)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
