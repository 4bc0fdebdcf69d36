"""What follows an outcome: the retry rule. Pure; ``rowmill.engine.rows.settle`` acts on it."""

from dataclasses import dataclass
from random import Random

from rowmill.core.outcome import Done, Failed, Outcome, RetryLater, StopJob

BACKOFF_BASE = 1.0
BACKOFF_CAP = 60.0
LAST_CRASH = 3
"""A row that was in flight at this many crashes is failed: it most likely brings the process down."""

ALONE_AFTER = 2
"""A row that was in flight at this many crashes runs with nothing beside it."""

SPIKE = 50
"""So many failures with one code in a row, without one success, pause the job."""


@dataclass(frozen=True, slots=True)
class Succeed:
    """The row's step is done."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The row fails for good."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PutOff:
    """The row is tried again in ``delay`` seconds; ``counts`` says whether this attempt is one of its allowance."""

    delay: float
    counts: bool
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The job stops; the row goes back requeue_without_attempt."""

    code: str
    message: str
    hint: str


Ruling = Succeed | Fail | PutOff | Stop


def backoff(attempt: int, random: Random) -> float:
    """Seconds to wait after attempt number ``attempt`` (from 1): exponential with full jitter.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return random.uniform(0.0, min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(attempt - 1, 16)))


def rule(outcome: Outcome, attempt: int, max_attempts: int, random: Random) -> Ruling:
    """Decides what follows ``outcome`` of the row's attempt number ``attempt`` (from 1) of ``max_attempts``."""
    match outcome:
        case Done():
            return Succeed()
        case Failed(code=code, message=message):
            return Fail(code, message)
        case StopJob(code=code, message=message, hint=hint):
            return Stop(code, message, hint)
        case RetryLater(code=code, message=message, after=after, gate=True):
            # The gate of the connection decides when; where there is none, the row itself waits.
            return PutOff(BACKOFF_BASE if after is None else after, counts=False, code=code, message=message)
        case RetryLater(code=code, message=message, after=after):
            if attempt >= max_attempts:
                return Fail(code, message)
            return PutOff(max(after or 0.0, backoff(attempt, random)), counts=True, code=code, message=message)
