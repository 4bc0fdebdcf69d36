"""The six statuses of a job, the statuses of a row, and every legal move between them.

``TRANSITIONS`` is the only place where a move is made legal; the store's SQL is compared with it by a test.
"""

from enum import StrEnum

from rowmill.core.errors import IllegalTransition


class JobType(StrEnum):
    IMPORT = "import"
    ENRICHMENT = "enrichment"
    EXPORT = "export"


class JobStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class PauseReason(StrEnum):
    USER = "user"
    USAGE_LIMIT = "usage_limit"
    BUDGET = "budget"
    RATE_LIMIT = "rate_limit"
    FAILURE_SPIKE = "failure_spike"


class RowStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Verb(StrEnum):
    """What can be done to a job. The first six are said by a user, the others by the engine that works it."""

    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    CANCEL = "cancel"
    DISMISS = "dismiss"
    DELETE = "delete"
    CLAIM = "claim"
    RELEASE = "release"
    COMPLETE = "complete"
    FAIL = "fail"


_S = JobStatus

TRANSITIONS: dict[tuple[JobStatus, Verb], JobStatus | None] = {
    # None: the job's line goes away.
    (_S.PENDING, Verb.CLAIM): _S.RUNNING,
    (_S.PENDING, Verb.PAUSE): _S.PAUSED,
    (_S.PENDING, Verb.RESUME): _S.PENDING,
    (_S.PENDING, Verb.CANCEL): _S.CANCELLED,
    (_S.PENDING, Verb.DELETE): None,
    (_S.RUNNING, Verb.COMPLETE): _S.COMPLETED,
    (_S.RUNNING, Verb.FAIL): _S.FAILED,
    (_S.RUNNING, Verb.PAUSE): _S.PAUSED,
    (_S.RUNNING, Verb.CANCEL): _S.CANCELLED,
    (_S.RUNNING, Verb.RELEASE): _S.PENDING,
    # Only when interrupted: the engine that had it is dead.
    (_S.RUNNING, Verb.CLAIM): _S.RUNNING,
    # Takes a pause back that the engine has not obeyed yet, or names an interrupted job for the next claim.
    (_S.RUNNING, Verb.RESUME): _S.RUNNING,
    (_S.PAUSED, Verb.PAUSE): _S.PAUSED,
    (_S.PAUSED, Verb.RESUME): _S.PENDING,
    (_S.PAUSED, Verb.RETRY): _S.PENDING,
    (_S.PAUSED, Verb.CANCEL): _S.CANCELLED,
    (_S.PAUSED, Verb.DELETE): None,
    (_S.COMPLETED, Verb.RETRY): _S.PENDING,
    (_S.COMPLETED, Verb.DISMISS): _S.COMPLETED,
    (_S.COMPLETED, Verb.DELETE): None,
    (_S.FAILED, Verb.RESUME): _S.PENDING,
    (_S.FAILED, Verb.RETRY): _S.PENDING,
    (_S.FAILED, Verb.CANCEL): _S.CANCELLED,
    (_S.FAILED, Verb.DELETE): None,
    (_S.CANCELLED, Verb.DELETE): None,
}


def sources(verb: Verb) -> tuple[JobStatus, ...]:
    """The statuses in which ``verb`` is legal, in the order of the enum."""
    return tuple(status for status in JobStatus if (status, verb) in TRANSITIONS)


def target(status: JobStatus, verb: Verb) -> JobStatus | None:
    """Where ``verb`` takes a job that is ``status``; raises ``IllegalTransition`` where it may not be said."""
    try:
        return TRANSITIONS[status, verb]
    except KeyError:
        raise IllegalTransition(verb.value, status.value, [s.value for s in sources(verb)]) from None
