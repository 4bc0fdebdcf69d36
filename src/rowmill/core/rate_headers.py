"""What a server's headers say about when to call again."""

import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

Header = Callable[[str], str | None]
"""Looks one response header up by its lower-case name."""

Clock = Callable[[], float]
"""Seconds since 1970."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})"
_PLAIN = re.compile(_NUMBER, re.ASCII)
_PART = re.compile(rf"({_NUMBER})(ms|[smhd])", re.ASCII)
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|[smhd]))+", re.ASCII)
_EARLIEST_TIMESTAMP = 1e9
"""No duration is this long: plain numbers from here on are times since 1970 (in milliseconds from 1000 times it on)."""


def retry_after(header: Header, clock: Clock) -> float | None:
    """Seconds that a refusal asks to wait for, ``None`` where it does not say."""
    milliseconds = header("retry-after-ms")
    if milliseconds and (seconds := _duration(f"{milliseconds}ms")) is not None:
        return seconds
    value = header("retry-after")
    if value and (seconds := _wait(value, header, clock)) is not None:
        return seconds
    return spent_limit(header, clock)


def spent_limit(header: Header, clock: Clock) -> float | None:
    """Seconds until a limit whose last request or token has been used opens again; ``None`` where some are left."""
    waits = [
        _wait(header(f"x-ratelimit-reset-{limit}") or "", header, clock)
        for limit in ("requests", "tokens")
        if header(f"x-ratelimit-remaining-{limit}") == "0"
    ]
    return max((seconds for seconds in waits if seconds is not None), default=None)


def _wait(value: str, header: Header, clock: Clock) -> float | None:
    """Reads ``20``, ``1.5``, ``6m0s``, ``250ms``, a time since 1970 or an HTTP date."""
    seconds = _duration(value)
    if seconds is None:
        seconds = _date(value)
    elif seconds < _EARLIEST_TIMESTAMP:
        return seconds
    elif seconds >= _EARLIEST_TIMESTAMP * 1000:
        seconds /= 1000
    return None if seconds is None else max(0.0, seconds - _server_time(header, clock))


def _server_time(header: Header, clock: Clock) -> float:
    """The server's own clock where it tells: its dates and ours need not agree."""
    told = _date(header("date") or "")
    return clock() if told is None else told


def _duration(value: str) -> float | None:
    value = value.strip()
    if _PLAIN.fullmatch(value):
        return float(value)
    if _DURATION.fullmatch(value):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    return None


def _date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
