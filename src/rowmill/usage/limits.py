"""The usage limits of a month, and the jobs that go on once there is room again."""

from decimal import Decimal
from enum import Enum

from rowmill.core.errors import UsageError
from rowmill.core.job import Job
from rowmill.core.money import dollars, nano
from rowmill.core.status import PauseReason
from rowmill.core.usage import Amount, UsageLimits
from rowmill.ledger.store import Store
from rowmill.ledger.usage import day_of
from rowmill.shapes.usage import Limits

MOST_ROWS = 10**15
MOST_DOLLARS = 10**9


class Keep(Enum):
    """Says that a limit stays as it is."""

    KEEP = "keep"


def set_limits(
    store: Store,
    *,
    rows_per_month: int | Keep | None = Keep.KEEP,
    usd_per_month: Decimal | Keep | None = Keep.KEEP,
    expected: UsageLimits | None = None,
) -> bool:
    """Sets limits, or removes those that are ``None``; engines follow at once, and detached jobs that there is room for
    again go on. ``False``, changing nothing, where the limits are no longer those ``expected``. Raises ``UsageError``.
    """
    changes: dict[str, int | None] = {}
    if not isinstance(rows_per_month, Keep):
        _check("rows", rows_per_month, MOST_ROWS)
        changes["rows_per_month"] = rows_per_month
    if not isinstance(usd_per_month, Keep):
        _check("dollars", usd_per_month, MOST_DOLLARS)
        changes["cost_per_month"] = None if usd_per_month is None else nano(usd_per_month)
    if not store.usage.set_limits(changes, expected):
        return False
    requeue_within_limits(store)
    return True


def limits_view(store: Store) -> Limits:
    """The limits, with what has been used this month (UTC) and what is left."""
    now = store.clock()
    limits, used = store.usage.limits(), store.usage.month(now)
    rows_left = None if limits.rows is None else max(0, limits.rows - used.rows)
    cost_left = None if limits.cost is None else max(0, limits.cost - used.cost)
    return Limits(
        month=day_of(now)[:7],
        rows_per_month=limits.rows,
        rows_used=used.rows,
        rows_left=rows_left,
        usd_per_month=_dollars(limits.cost),
        usd_used=dollars(used.cost),
        usd_left=_dollars(cost_left),
    )


def requeue_within_limits(store: Store) -> list[str]:
    """Lets detached jobs that the limits have paused wait for a worker again where there is room for one more of their
    rows; returns their ids."""
    paused = store.queue.paused_jobs(PauseReason.USAGE_LIMIT)
    if not paused:
        return []
    now = store.clock()
    limits, used = store.usage.limits(), store.usage.month(now)
    room = Amount(
        MOST_ROWS if limits.rows is None else limits.rows - used.rows,
        nano(Decimal(MOST_DOLLARS)) if limits.cost is None else limits.cost - used.cost,
    )
    jobs = [store.browse.job(pk) for pk in paused] if room.rows > 0 else []
    return [
        job.id
        for job in jobs
        if room.covers(_next_row(job)) and store.queue.requeue(job.pk, PauseReason.USAGE_LIMIT, now)
    ]


def _next_row(job: Job) -> Amount:
    """What one more row of ``job`` takes: as much as its rows did on average, or anything at all."""
    if not any(step.price and step.price.charges for step in job.steps):
        return Amount(1)
    return Amount(1, max(1, job.cost // max(1, job.counts.processed)))


def _check(what: str, amount: int | Decimal | None, most: int) -> None:
    if amount is not None and ((isinstance(amount, Decimal) and amount.is_nan()) or not 0 <= amount <= most):
        raise UsageError(f"{amount} {what} a month is no limit.", f"Give a number up to {most:,}, or none.")


def _dollars(cost: int | None) -> float | None:
    return None if cost is None else dollars(cost)
