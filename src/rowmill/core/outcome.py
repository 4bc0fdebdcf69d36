"""What became of one attempt: a value, never an exception.

A processor returns one of four: ``Done``, ``Failed`` (this row, for good), ``RetryLater`` (this row, again) or
``StopJob`` (would fail every row). ``rowmill.core.retry`` decides what follows.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """What one attempt used, in tokens. Its cost follows from the price in the job.

    ``cached`` tokens were read from the provider's prompt cache and ``cache_write`` tokens were added to it: both are
    part of ``tokens_in``. ``reasoning`` tokens are part of ``tokens_out``. ``service_tier`` is the provider's name for
    the tier that handled the call, if it gives one. ``estimated`` means that the tokens were not reported by the
    provider but estimated."""

    tokens_in: int = 0
    tokens_out: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    service_tier: str | None = None
    estimated: bool = False


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class Done:
    """The step's output columns, by name. ``hold`` closes the connection's gate for so many seconds (a provider's
    ``x-ratelimit-*`` headers said that nothing is left until then)."""

    values: dict[str, Any]
    usage: Usage = NO_USAGE
    hold: float | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """This row will not succeed by being tried again. ``code`` is stable, ``message`` one sentence."""

    code: str
    message: str
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Worth another try. With ``gate`` the whole connection waits (429, or 503 with Retry-After) and the row pays no
    attempt; ``after`` is what the other side asked for, in seconds, ``None`` where it did not say."""

    code: str
    message: str
    after: float | None = None
    gate: bool = False
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class StopJob:
    """Would fail every row: the job stops with this error, and the row goes back requeue_without_attempt."""

    code: str
    message: str
    hint: str = field(default="")


Outcome = Done | Failed | RetryLater | StopJob
