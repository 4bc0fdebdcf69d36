"""The pauses that an engine makes of itself, each with what to do about it."""

from rowmill.core.job import Job, JobError, Settings
from rowmill.core.money import dollars
from rowmill.core.status import Action, PauseReason
from rowmill.core.usage import UsageLimits
from rowmill.engine.stop import Stop


def usage_limit(limits: UsageLimits, reached: str) -> Stop:
    """The month's limit of ``reached`` (``rows`` or ``cost``) leaves no room for one more row."""
    if reached == "rows":
        limit, option = f"{limits.rows or 0:,} rows", "--rows-per-month N"
    else:
        limit, option = f"${dollars(limits.cost or 0):,.2f}", "--usd-per-month X"
    hint = f"Raise it (rowmill limits {option}, or PUT /v1/limits) or wait for the next month, then resume."
    return _pause(PauseReason.USAGE_LIMIT, JobError("usage_limit", f"The limit of {limit} a month is reached.", hint))


def budget(job: Job, settings: Settings) -> Stop:
    """One more row may go over the job's budget."""
    said = f"One more row may go over the budget of ${dollars(settings.budget or 0):,.4f}."
    hint = f"Raise it by the same run with --budget, or by PATCH /v1/jobs/{job.id}, which lets a worker go on with it."
    return _pause(PauseReason.BUDGET, JobError("budget", said, hint))


def rate_limit(job: Job) -> Stop:
    """The provider has refused every call for too long."""
    said = "The provider refused every call for 15 minutes (rate limit)."
    hint = f"Give it a pace that the provider allows (the same run with --rpm, or PATCH /v1/jobs/{job.id}) and resume."
    return _pause(PauseReason.RATE_LIMIT, JobError("rate_limit", said, hint))


def failure_spike(code: str, message: str) -> Stop:
    """Rows have failed with ``code``, one after the other. Where it says that nothing could be reached, the job's error
    is ``network``; what is tolerated is the code of the rows all the same."""
    hint = "Mend the cause and resume, or resume to go on all the same."
    error = JobError("network" if code == "connection" else code, message, hint)
    return Stop(Action.PAUSE, PauseReason.FAILURE_SPIKE, error, tolerate=code)


def _pause(reason: PauseReason, error: JobError) -> Stop:
    return Stop(Action.PAUSE, reason, error)
