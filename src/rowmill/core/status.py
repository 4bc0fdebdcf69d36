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


class WaitingFor(StrEnum):
    """What keeps a job from going on."""

    WORKER = "worker"
    IN_FLIGHT = "in_flight"


class RowStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Action(StrEnum):
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

TRANSITIONS: dict[tuple[JobStatus, Action], JobStatus | None] = {
    # None: the job's line goes away.
    (_S.PENDING, Action.CLAIM): _S.RUNNING,
    (_S.PENDING, Action.PAUSE): _S.PAUSED,
    (_S.PENDING, Action.RESUME): _S.PENDING,
    (_S.PENDING, Action.CANCEL): _S.CANCELLED,
    (_S.PENDING, Action.DELETE): None,
    (_S.RUNNING, Action.COMPLETE): _S.COMPLETED,
    (_S.RUNNING, Action.FAIL): _S.FAILED,
    (_S.RUNNING, Action.PAUSE): _S.PAUSED,
    (_S.RUNNING, Action.CANCEL): _S.CANCELLED,
    (_S.RUNNING, Action.RELEASE): _S.PENDING,
    # Only when interrupted: the engine that had it is dead.
    (_S.RUNNING, Action.CLAIM): _S.RUNNING,
    # Takes a pause back that the engine has not obeyed yet, or names an interrupted job for the next claim.
    (_S.RUNNING, Action.RESUME): _S.RUNNING,
    (_S.PAUSED, Action.PAUSE): _S.PAUSED,
    (_S.PAUSED, Action.RESUME): _S.PENDING,
    (_S.PAUSED, Action.RETRY): _S.PENDING,
    (_S.PAUSED, Action.CANCEL): _S.CANCELLED,
    (_S.PAUSED, Action.DELETE): None,
    (_S.COMPLETED, Action.RETRY): _S.PENDING,
    (_S.COMPLETED, Action.DISMISS): _S.COMPLETED,
    (_S.COMPLETED, Action.DELETE): None,
    (_S.FAILED, Action.RESUME): _S.PENDING,
    (_S.FAILED, Action.RETRY): _S.PENDING,
    (_S.FAILED, Action.CANCEL): _S.CANCELLED,
    (_S.FAILED, Action.DELETE): None,
    (_S.CANCELLED, Action.DELETE): None,
}


def sources(action: Action) -> tuple[JobStatus, ...]:
    """The statuses in which ``action`` is legal, in the order of the enum."""
    return tuple(status for status in JobStatus if (status, action) in TRANSITIONS)


def target(status: JobStatus, action: Action) -> JobStatus | None:
    """Where ``action`` takes a job that is ``status``; raises ``IllegalTransition`` where it may not be said."""
    try:
        return TRANSITIONS[status, action]
    except KeyError:
        raise IllegalTransition(action.value, status.value, [s.value for s in sources(action)]) from None
