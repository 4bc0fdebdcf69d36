"""The pauses that an engine makes of itself, each with what to do about it."""

from rowmill.core.job import Job, JobError, Settings
from rowmill.core.messages import Message
from rowmill.core.money import dollars
from rowmill.core.status import Action, PauseReason
from rowmill.core.usage import UsageLimits
from rowmill.engine.stop import Stop


def usage_limit(limits: UsageLimits, reached: str) -> Stop:
    """The month's limit of ``reached`` (``rows`` or ``cost``) leaves no room for one more row."""
    if reached == "rows":
        error = JobError.because("usage_limit", Message.ROWS_PER_MONTH_REACHED, rows=f"{limits.rows or 0:,}")
    else:
        cost = f"{dollars(limits.cost or 0):,.2f}"
        error = JobError.because("usage_limit", Message.USD_PER_MONTH_REACHED, cost=cost)
    return Stop(Action.PAUSE, PauseReason.USAGE_LIMIT, error)


def budget(job: Job, settings: Settings) -> Stop:
    """One more row may go over the job's budget."""
    cost = f"{dollars(settings.budget or 0):,.4f}"
    error = JobError.because("budget", Message.BUDGET_REACHED, budget=cost, job=job.id)
    return Stop(Action.PAUSE, PauseReason.BUDGET, error)


def rate_limit(job: Job) -> Stop:
    """The provider has refused every call for too long."""
    error = JobError.because("rate_limit", Message.RATE_LIMIT_REACHED, job=job.id)
    return Stop(Action.PAUSE, PauseReason.RATE_LIMIT, error)


def failure_spike(code: str, message: str) -> Stop:
    """Rows have failed with ``code``, one after the other. Where it says that nothing could be reached, the job's error
    is ``network``; what is tolerated is the code of the rows all the same."""
    hint = "Fix the cause and resume, or resume anyway."
    error = JobError("network" if code == "connection" else code, message, hint)
    return Stop(Action.PAUSE, PauseReason.FAILURE_SPIKE, error, tolerate=code)
