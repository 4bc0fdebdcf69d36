"""Connections to model providers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rowmill.shapes.base import Shape


@dataclass(frozen=True)
class Connection(Shape):
    """How a model provider is reached. Its key is never shown."""

    id: str
    """Such as `conn_4m1x2y3z5a6b`."""
    name: str
    provider: str
    base_url: str | None
    """Null for the provider's own."""
    has_key: bool
    rpm: int | None
    """Calls per minute of all jobs that use it, together; null for no limit."""
    tpm: int | None
    """Tokens per minute of all jobs that use it, together; null for no limit."""
    created_at: datetime


class Verdict(StrEnum):
    """The result of testing a connection."""

    VALID = "valid"
    REFUSED = "refused"
    NO_CREDIT = "no_credit"
    UNREACHABLE = "unreachable"
    UNKNOWN_MODEL = "unknown_model"


@dataclass(frozen=True)
class ConnectionTest(Shape):
    """Whether a connection works."""

    outcome: Verdict
    message: str
    """What happened and what to do, in plain words."""
