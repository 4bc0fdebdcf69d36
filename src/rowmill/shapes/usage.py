"""Usage and its limits."""

from dataclasses import dataclass

from rowmill.shapes.base import Shape


@dataclass(frozen=True)
class Limits(Shape):
    """The monthly limits, with what has been used this month and what is left."""

    month: str
    """The month in UTC, such as `2026-11`."""
    rows_per_month: int | None
    """Null for no limit."""
    rows_used: int
    """Rows that attempts have settled; a row that is retried counts again."""
    rows_left: int | None
    """Null without a limit."""
    usd_per_month: float | None
    """Null for no limit."""
    usd_used: float
    usd_left: float | None
    """Null without a limit."""


@dataclass(frozen=True)
class Usage(Shape):
    """What was used on one day, of one model or by one job. Of `day`, `model` and `job` only the one that was asked
    for with `by` is set."""

    day: str | None
    """In UTC, such as `2026-11-30`."""
    model: str | None
    """`provider/model`, or the processor if it uses no model."""
    job: str | None
    """The job's id. Usage is kept when the job is deleted."""
    rows: int
    """Rows that attempts have settled; a row that is retried counts again."""
    attempts: int
    tokens_in: int
    tokens_out: int
    cost_usd: float
    """Cost of the calls whose price is known."""
