"""The rows of a job."""

from dataclasses import dataclass
from datetime import datetime

from rowmill.core.status import RowStatus
from rowmill.shapes.base import Json, Shape


@dataclass(frozen=True)
class RowError(Shape):
    """Why a row or an attempt failed."""

    code: str
    message: str | None


@dataclass(frozen=True)
class AttemptUsage(Shape):
    """What one attempt used, in tokens."""

    tokens_in: int
    tokens_out: int
    cached: int
    """Tokens that were read from the provider's prompt cache: part of `tokens_in`."""
    cache_write: int
    """Tokens that were added to the provider's prompt cache: part of `tokens_in`."""
    reasoning: int
    """Part of `tokens_out`."""
    service_tier: str | None
    """The provider's name for the tier that handled the call, if it gives one."""
    estimated: bool
    """Whether the tokens were estimated instead of reported by the provider."""


@dataclass(frozen=True)
class Attempt(Shape):
    """One try of one step on one row."""

    step: int
    """Which step of the job, counted from 0."""
    attempt: int
    """Which attempt at this step, counted from 1."""
    started_at: datetime
    duration_seconds: float
    outcome: str
    """`succeeded`, `failed`, or `put_off` if the row was to be tried again."""
    error: RowError | None
    tokens_in: int
    tokens_out: int
    usage: AttemptUsage
    """All that is known of what the attempt used."""
    cost_usd: float | None
    """Null if no price is known."""


@dataclass(frozen=True)
class Row(Shape):
    """One row of a job."""

    number: int
    """Counted from 1 within the job."""
    record: int | None
    """Its number within the dataset, if it has one there."""
    status: RowStatus
    values: Json
    """The input values by column."""
    output: Json | None
    """The output values by column."""
    error: RowError | None
    attempts: list[Attempt]
    """All attempts if one row was asked for; in lists only the one that settled the row."""
