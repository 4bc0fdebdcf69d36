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
