import threading
from pathlib import Path

import pytest

from rowmill.model.errors import Busy, Fenced
from rowmill.model.job import Job
from rowmill.model.ledger import Claim
from rowmill.model.status import JobStatus, Verb
from rowmill.service import control
from rowmill.store.store import Store

from .work import begin, complete, make


@pytest.fixture
def job(store: Store, engine: str, reviews: Path) -> Job:
    return make(store, engine, reviews)


@pytest.fixture
def claim(store: Store, engine: str, job: Job) -> Claim:
    """Of a living engine that works ``job``."""
    return begin(store, engine, job)


def _obey(store: Store, claim: Claim, verb: Verb) -> threading.Thread:
    """An engine that ends its job as soon as that is wished."""

    def obey() -> None:
        while not store.ledger.finish(claim, verb, store.clock()):
            pass

    thread = threading.Thread(target=obey, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(("verb", "status"), [(Verb.PAUSE, JobStatus.PAUSED), (Verb.CANCEL, JobStatus.CANCELLED)])
def test_pause_and_cancel_wait_for_the_engine_to_obey(
    store: Store, job: Job, claim: Claim, verb: Verb, status: JobStatus
) -> None:
    thread = _obey(store, claim, verb)
    assert {Verb.PAUSE: control.pause, Verb.CANCEL: control.cancel}[verb](store, job).status is status
    thread.join(10)
    assert not thread.is_alive()


def test_a_job_whose_rows_take_their_time_is_returned_stopping(
    store: Store, job: Job, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_OBEYED_WITHIN", 0.05)
    stopping = control.pause(store, job)
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
    with pytest.raises(Fenced):
        store.ledger.pulse(claim)


def test_failed_rows_are_retried_or_dismissed(store: Store, engine: str, job: Job) -> None:
    job = complete(store, engine, job, {1: "good", 2: None, 3: None, 4: "bad"})
    assert not control.dismiss(store, job).needs_attention
    assert control.retry(store, job, ranges=[(1, 2)]) == 1
    assert store.browse.job(job.pk).counts.failed == 1


def test_a_job_is_over_when_only_a_user_can_move_it(store: Store, engine: str, job: Job) -> None:
    assert not control.over(job)
    claim = begin(store, engine, job)
    assert not control.over(store.browse.job(job.pk))
    store.ledger.finish(claim, Verb.FAIL, store.clock())
    assert control.over(store.browse.job(job.pk))
