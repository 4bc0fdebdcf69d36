import threading
from decimal import Decimal
from math import nan
from pathlib import Path
from typing import Any

import pytest

from rowmill.core.commit import Claim
from rowmill.core.errors import Busy, ClaimLost, IllegalTransition, UsageError
from rowmill.core.job import Job
from rowmill.core.status import Action, JobStatus, PauseReason
from rowmill.jobs import control
from rowmill.ledger.store import Store
from tests.support.deadline import DEADLINE
from tests.support.work import begin, complete, make, settle


@pytest.fixture
def job(store: Store, engine: str, reviews: Path) -> Job:
    return make(store, engine, reviews)


@pytest.fixture
def claim(store: Store, engine: str, job: Job) -> Claim:
    """Of a living engine that works ``job``."""
    return begin(store, engine, job)


def _obey(store: Store, claim: Claim, verb: Action) -> threading.Thread:
    """An engine that ends its job as soon as that is requested."""

    def obey() -> None:
        while not store.ledger.finish(claim, verb, store.clock()):
            pass

    thread = threading.Thread(target=obey, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(("verb", "status"), [(Action.PAUSE, JobStatus.PAUSED), (Action.CANCEL, JobStatus.CANCELLED)])
def test_pause_and_cancel_wait_for_the_engine_to_obey(
    store: Store, job: Job, claim: Claim, verb: Action, status: JobStatus
) -> None:
    thread = _obey(store, claim, verb)
    assert {Action.PAUSE: control.pause, Action.CANCEL: control.cancel}[verb](store, job).status is status
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_a_job_whose_rows_take_their_time_is_returned_stopping(store: Store, job: Job, claim: Claim) -> None:
    stopping = control.pause(store, job, wait=0.05)
    assert (stopping.status, stopping.stopping) == (JobStatus.RUNNING, True)
    going_on = control.resume(store, job)
    assert (going_on.status, going_on.stopping) == (JobStatus.RUNNING, False)


def test_a_job_that_no_engine_has_changes_at_once(store: Store, job: Job) -> None:
    assert control.pause(store, job).status is JobStatus.PAUSED
    assert control.resume(store, job).status is JobStatus.PENDING
    assert control.cancel(store, job).status is JobStatus.CANCELLED


def test_only_take_over_takes_a_job_from_a_living_engine(store: Store, job: Job, claim: Claim) -> None:
    with pytest.raises(Busy):
        control.resume(store, job)
    taken = control.resume(store, job, take_over=True)
    assert taken.interrupted
    assert taken.uncertain == 4
    with pytest.raises(ClaimLost):
        store.ledger.poll_control(claim)


def test_failed_rows_are_retried_or_dismissed(store: Store, engine: str, job: Job) -> None:
    job = complete(store, engine, job, {1: "good", 2: None, 3: None, 4: "bad"})
    assert not control.dismiss(store, job).needs_attention
    assert control.retry(store, job, ranges=[(1, 2)]) == 1
    assert store.browse.job(job.pk).counts.failed == 1


def test_a_job_is_over_when_only_a_user_can_move_it(store: Store, engine: str, job: Job) -> None:
    assert not control.over(job)
    claim = begin(store, engine, job)
    assert not control.over(store.browse.job(job.pk))
    store.ledger.finish(claim, Action.FAIL, store.clock())
    assert control.over(store.browse.job(job.pk))


def _update(store: Store, job: Job, **settings: Any) -> Job:
    updated = control.update(store, store.browse.job(job.pk), settings)
    assert updated
    return updated


def test_settings_change_at_once_whether_the_job_runs_or_not(store: Store, job: Job, claim: Claim) -> None:
    updated = _update(store, job, concurrency=9, timeout=1.5, rpm=60, max_attempts=5)
    assert (
        updated.settings.concurrency,
        updated.settings.timeout,
        updated.settings.rpm,
    ) == (9, 1.5, 60)
    assert store.ledger.poll_control(claim).settings == updated.settings
    assert _update(store, job, rpm=None).settings.rpm is None


@pytest.mark.parametrize(
    "change", [{"concurrency": 0}, {"timeout": -1.0}, {"timeout": nan}, {"rpm": 0}, {"max_attempts": None}]
)
def test_only_positive_numbers_steer(store: Store, job: Job, change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="must be a positive number"):
        _update(store, job, **change)
    assert store.browse.job(job.pk).settings == job.settings


def test_a_budget_needs_a_known_price(store: Store, job: Job) -> None:
    with pytest.raises(UsageError, match="without a known price"):
        _update(store, job, budget=5)
    assert _update(store, job, budget=None).settings.budget is None


def test_a_job_that_has_ended_is_not_steered(store: Store, engine: str, job: Job) -> None:
    ended = complete(store, engine, job, dict.fromkeys(range(1, 5), "good"))
    with pytest.raises(IllegalTransition, match="A completed job cannot be changed"):
        _update(store, ended, concurrency=9)


def test_a_budget_that_is_raised_lets_a_workers_job_go_on(store: Store, engine: str, reviews: Path) -> None:
    job = make(store, engine, reviews, new=True, price="1,1", budget=Decimal("0.000003"))
    claim = begin(store, engine, job)
    settle(store, claim, {1: "good", 2: "good"})
    store.control.take_over(job.pk, store.clock())
    store.control.pause(job.pk, store.clock(), PauseReason.BUDGET)
    assert _update(store, job, budget=9_000).status is JobStatus.PAUSED  # a command's own
    with store.database.transaction() as tx:
        tx.execute("UPDATE jobs SET detached = 1 WHERE pk = ?", (job.pk,))
    assert _update(store, job, concurrency=9).status is JobStatus.PAUSED
    assert _update(store, job, budget=3_000).status is JobStatus.PAUSED
    assert _update(store, job, budget=3_001).status is JobStatus.PENDING


def test_nothing_changes_if_another_change_came_first(store: Store, job: Job) -> None:
    assert control.update(store, job, {"concurrency": 9}, metadata={"for": "Anna"})
    assert control.update(store, job, {"concurrency": 3}) is None
    assert control.update(store, job, {}, name="Ben's") is None
    now = store.browse.job(job.pk)
    assert (now.settings.concurrency, now.metadata, now.name) == (9, {"for": "Anna"}, job.name)


def test_a_job_that_has_ended_can_still_be_renamed(store: Store, engine: str, job: Job) -> None:
    ended = complete(store, engine, job, dict.fromkeys(range(1, 5), "good"))
    renamed = control.update(store, ended, {}, name="Ben's")
    assert renamed
    assert renamed.name == "Ben's"
