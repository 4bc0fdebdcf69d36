"""Moments as datetimes and as text."""

from datetime import UTC, datetime
from typing import overload


@overload
def utc(seconds: float) -> datetime: ...
@overload
def utc(seconds: float | None) -> datetime | None: ...
def utc(seconds: float | None) -> datetime | None:
    """Unix seconds as a datetime in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@overload
def moment(seconds: float) -> str: ...
@overload
def moment(seconds: float | None) -> str | None: ...
def moment(seconds: float | None) -> str | None:
    """Unix seconds as RFC 3339 in UTC with milliseconds."""
    return None if seconds is None else rfc3339(datetime.fromtimestamp(seconds, UTC))


def rfc3339(at: datetime) -> str:
    """``at``, which is in UTC, with milliseconds: ``2026-02-01T03:04:05.678Z``."""
    return f"{at.isoformat(timespec='milliseconds')[:-6]}Z"
