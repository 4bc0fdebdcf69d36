from decimal import Decimal
from pathlib import Path

import pytest

from rowmill.core.errors import UsageError
from rowmill.core.job import Job
from rowmill.core.status import JobStatus, PauseReason
from rowmill.core.usage import UsageLimits
from rowmill.ledger.store import Store
from rowmill.shapes.usage import Limits
from rowmill.usage.limits import limits_view, requeue_within_limits, set_limits
from tests.support.work import begin, complete, make, settle

NOVEMBER = 1_700_000_000.0


@pytest.fixture(autouse=True)
def in_november(store: Store) -> None:
    store.clock = lambda: NOVEMBER


def paused_jobs(
    store: Store,
    engine: str,
    reviews: Path,
    *,
    settled: int = 0,
    detached: bool = True,
    price: str = "1,1",
) -> Job:
    """A job that a limit has paused once so many of its rows were settled, 1,500 nano-dollars each."""
    job = make(store, engine, reviews, new=True, price=price)
    claim = begin(store, engine, job)
    settle(store, claim, dict.fromkeys(range(1, settled + 1), "good"))
    store.control.take_over(job.pk, NOVEMBER)
    store.control.pause(job.pk, NOVEMBER, PauseReason.USAGE_LIMIT)
    with store.database.transaction() as tx:
        tx.execute("UPDATE jobs SET detached = ? WHERE pk = ?", (int(detached), job.pk))
    return job


def status(store: Store, job: Job) -> JobStatus:
    return store.browse.job(job.pk).status


def test_limits_are_shown_with_what_is_used_and_left(store: Store, engine: str, reviews: Path) -> None:
    assert limits_view(store) == Limits("2023-11", None, 0, None, None, 0.0, None)
    complete(store, engine, make(store, engine, reviews), dict.fromkeys(range(1, 5), "good"))
    assert set_limits(store, rows_per_month=10, usd_per_month=Decimal("0.5"))
    view = limits_view(store)
    assert (view.rows_per_month, view.rows_used, view.rows_left) == (10, 4, 6)
    assert (view.usd_per_month, view.usd_used, view.usd_left) == (0.5, 6e-06, 0.499994)
    set_limits(store, rows_per_month=3)
    assert limits_view(store).rows_left == 0


def test_each_limit_is_set_and_removed_for_itself(store: Store) -> None:
    set_limits(store, rows_per_month=10)
    set_limits(store, usd_per_month=Decimal("2.50"))
    assert store.usage.limits() == UsageLimits(10, 2_500_000_000)
    set_limits(store, rows_per_month=None)
    assert store.usage.limits() == UsageLimits(None, 2_500_000_000)
    assert not set_limits(store, rows_per_month=4, expected=UsageLimits())
    assert store.usage.limits().rows is None


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity", "1e12"])
def test_what_is_no_amount_is_no_limit(store: Store, amount: str) -> None:
    with pytest.raises(UsageError, match="is no limit"):
        set_limits(store, usd_per_month=Decimal(amount))
    with pytest.raises(UsageError, match="is no limit"):
        set_limits(store, rows_per_month=-1)
    assert not store.usage.limits()


def test_jobs_go_on_once_the_limit_is_raised_or_removed(store: Store, engine: str, reviews: Path) -> None:
    set_limits(store, rows_per_month=2)
    job = paused_jobs(store, engine, reviews, settled=2)
    assert requeue_within_limits(store) == []
    set_limits(store, rows_per_month=3)
    assert status(store, job) is JobStatus.PENDING
    other = paused_jobs(store, engine, reviews, settled=1)
    assert requeue_within_limits(store) == []
    set_limits(store, rows_per_month=None)
    assert status(store, other) is JobStatus.PENDING


def test_jobs_go_on_in_a_new_month(store: Store, engine: str, reviews: Path) -> None:
    set_limits(store, rows_per_month=1)
    job = paused_jobs(store, engine, reviews, settled=1)
    assert requeue_within_limits(store) == []
    store.clock = lambda: NOVEMBER + 20 * 86_400
    assert requeue_within_limits(store) == [job.id]
    assert status(store, job) is JobStatus.PENDING


def test_a_job_that_a_user_has_paused_as_well_waits_for_the_user(store: Store, engine: str, reviews: Path) -> None:
    set_limits(store, rows_per_month=2)
    job = paused_jobs(store, engine, reviews, settled=2)
    store.control.pause(job.pk, NOVEMBER)
    set_limits(store, rows_per_month=None)
    assert requeue_within_limits(store) == []
    assert status(store, job) is JobStatus.PAUSED


def test_a_job_of_a_command_waits_for_its_command(store: Store, engine: str, reviews: Path) -> None:
    job = paused_jobs(store, engine, reviews, detached=False)
    assert requeue_within_limits(store) == []
    assert status(store, job) is JobStatus.PAUSED


def test_a_job_goes_on_once_there_is_money_for_a_row_as_dear_as_its_others(
    store: Store, engine: str, reviews: Path
) -> None:
    job = paused_jobs(store, engine, reviews, settled=2)
    set_limits(store, usd_per_month=Decimal("0.000004499"))
    assert status(store, job) is JobStatus.PAUSED
    set_limits(store, usd_per_month=Decimal("0.0000045"))
    assert status(store, job) is JobStatus.PENDING


def test_a_job_that_costs_nothing_needs_no_money(store: Store, engine: str, reviews: Path) -> None:
    complete(store, engine, make(store, engine, reviews), dict.fromkeys(range(1, 5), "good"))
    dear, free = (
        paused_jobs(store, engine, reviews),
        paused_jobs(store, engine, reviews, price="0,0"),
    )
    set_limits(store, usd_per_month=Decimal(0))
    assert (status(store, dear), status(store, free)) == (JobStatus.PAUSED, JobStatus.PENDING)
