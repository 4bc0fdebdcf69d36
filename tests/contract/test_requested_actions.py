"""What a user says while an engine works: requests, how they outrank each other, and how they are taken back."""

import pytest

from rowmill.core.commit import Claim
from rowmill.core.errors import Busy, IllegalTransition
from rowmill.core.job import JobError, Settings
from rowmill.core.status import Action, JobStatus, PauseReason

from .bench import NOW, Bench


@pytest.fixture
def claim(bench: Bench) -> Claim:
    """Of a living engine with one row in flight."""
    claim = bench.claim(bench.job())
    bench.start(claim)
    return claim


def test_a_pause_is_a_request_until_the_engine_obeys(bench: Bench, claim: Claim) -> None:
    bench.control.pause(claim.job, NOW)
    job = bench.browse.job(claim.job)
    assert (job.status, job.requested_action, job.stopping, job.pause_reason) == (
        JobStatus.RUNNING,
        Action.PAUSE,
        True,
        None,
    )
    assert bench.ledger.poll_control(claim).requested_action is Action.PAUSE

    assert bench.ledger.finish(claim, Action.PAUSE, NOW)
    job = bench.browse.job(claim.job)
    assert (job.status, job.stopping, job.pause_reason) == (JobStatus.PAUSED, False, PauseReason.USER)


@pytest.mark.parametrize("reason", [PauseReason.USER, PauseReason.USAGE_LIMIT])
def test_a_second_pause_changes_nothing(bench: Bench, claim: Claim, reason: PauseReason) -> None:
    bench.control.pause(claim.job, NOW, reason)
    before = bench.lines(claim.job)
    bench.control.pause(claim.job, NOW + 1, reason)
    assert bench.lines(claim.job) == before

    bench.ledger.finish(claim, Action.PAUSE, NOW)
    before = bench.lines(claim.job)
    bench.control.pause(claim.job, NOW + 1, reason)
    assert bench.lines(claim.job) == before
    assert bench.browse.job(claim.job).pause_reason is reason


def test_a_users_pause_holds_what_a_limit_had_paused(bench: Bench, claim: Claim) -> None:
    bench.ledger.finish(claim, Action.PAUSE, NOW, reason=PauseReason.USAGE_LIMIT)
    bench.control.pause(claim.job, NOW + 1)
    assert bench.browse.job(claim.job).pause_reason is PauseReason.USER
    bench.control.pause(claim.job, NOW + 2, PauseReason.BUDGET)
    assert bench.browse.job(claim.job).pause_reason is PauseReason.USER


def test_resume_takes_a_standing_pause_back_and_the_engine_goes_on(bench: Bench, claim: Claim) -> None:
    before = bench.lines(claim.job)
    bench.control.pause(claim.job, NOW)
    bench.control.resume(claim.job, NOW)
    assert bench.lines(claim.job) == before
    assert not bench.ledger.finish(claim, Action.PAUSE, NOW)
    assert bench.ledger.poll_control(claim).requested_action is None
    with pytest.raises(Busy, match="is being run by process"):
        bench.control.resume(claim.job, NOW)


def test_cancel_outranks_pause_and_is_not_taken_back(bench: Bench, claim: Claim) -> None:
    bench.control.pause(claim.job, NOW)
    bench.control.cancel(claim.job, NOW)
    bench.control.pause(claim.job, NOW)
    assert bench.ledger.poll_control(claim).requested_action is Action.CANCEL
    with pytest.raises(Busy, match="is being cancelled"):
        bench.control.resume(claim.job, NOW)
    assert not bench.ledger.finish(claim, Action.PAUSE, NOW)
    assert bench.ledger.finish(claim, Action.CANCEL, NOW)
    job = bench.browse.job(claim.job)
    assert (job.status, job.pause_reason, job.finished_at) == (JobStatus.CANCELLED, None, NOW)


@pytest.mark.parametrize("verb", [Action.PAUSE, Action.RELEASE])
def test_a_cancel_is_not_lost_when_the_engine_stops_for_its_own_reason(
    bench: Bench, claim: Claim, verb: Action
) -> None:
    bench.control.cancel(claim.job, NOW)
    bench.ledger.finish(claim, verb, NOW, reason=PauseReason.BUDGET if verb is Action.PAUSE else None)
    job = bench.browse.job(claim.job)
    assert JobStatus.CANCELLED in (job.status, job.requested_action and JobStatus.CANCELLED)


def test_a_pause_is_not_lost_when_the_engine_leaves_the_job_to_another(bench: Bench, claim: Claim) -> None:
    bench.control.pause(claim.job, NOW)
    bench.ledger.finish(claim, Action.RELEASE, NOW)
    job = bench.browse.job(claim.job)
    assert job.status is JobStatus.PAUSED or job.requested_action is Action.PAUSE


def test_the_last_row_completes_a_job_that_should_pause(bench: Bench) -> None:
    claim = bench.claim(bench.job(1))
    bench.start(claim)
    bench.control.pause(claim.job, NOW)
    bench.settle(claim, 1)
    assert bench.ledger.finish(claim, Action.COMPLETE, NOW)
    job = bench.browse.job(claim.job)
    assert (job.status, job.stopping, job.pause_reason) == (JobStatus.COMPLETED, False, None)


def test_a_fatal_error_fails_a_job_that_should_pause(bench: Bench, claim: Claim) -> None:
    bench.control.pause(claim.job, NOW)
    assert bench.ledger.finish(claim, Action.FAIL, NOW, error=JobError("no_credit", "There is none."))
    job = bench.browse.job(claim.job)
    assert (job.status, job.stopping, job.pause_reason) == (JobStatus.FAILED, False, None)


@pytest.mark.parametrize(("verb", "status"), [("pause", JobStatus.PAUSED), ("cancel", JobStatus.CANCELLED)])
def test_an_interrupted_job_obeys_at_once_and_frees_its_rows(
    bench: Bench, claim: Claim, verb: str, status: JobStatus
) -> None:
    bench.crash(claim)
    getattr(bench.control, verb)(claim.job, NOW)
    job = bench.browse.job(claim.job)
    assert (job.status, job.stopping, job.running, job.uncertain) == (status, False, 0, 1)
    assert job.counts.unprocessed == 3


def test_resume_of_an_interrupted_job_leaves_it_to_the_next_claim(bench: Bench, claim: Claim) -> None:
    bench.crash(claim)
    bench.control.resume(claim.job, NOW)
    assert bench.browse.job(claim.job).interrupted
    assert bench.claim(claim.job).generation == claim.generation + 1


def test_settings_reach_a_running_engine(bench: Bench, claim: Claim) -> None:
    assert bench.control.update(claim.job, {"concurrency": 50, "rpm": 600})
    assert bench.ledger.poll_control(claim).settings == Settings(concurrency=50, rpm=600)


def test_a_spike_that_was_seen_is_tolerated_until_a_retry(bench: Bench, claim: Claim) -> None:
    bench.settle(claim, 1, code="timeout")
    bench.ledger.finish(claim, Action.PAUSE, NOW, reason=PauseReason.FAILURE_SPIKE, tolerate="timeout")
    job = bench.browse.job(claim.job)
    assert (job.pause_reason, job.tolerated) == (PauseReason.FAILURE_SPIKE, "timeout")
    bench.control.resume(claim.job, NOW)
    assert bench.browse.job(claim.job).tolerated == "timeout"
    bench.control.retry(bench.completed(), NOW)
    bench.control.pause(claim.job, NOW)
    bench.control.retry(claim.job, NOW)
    assert bench.browse.job(claim.job).tolerated is None


def test_verbs_on_a_job_that_is_over_say_what_would_be_needed(bench: Bench) -> None:
    job = bench.completed()
    with pytest.raises(IllegalTransition) as caught:
        bench.control.pause(job, NOW)
    assert str(caught.value) == "A completed job cannot be paused. It must be pending or running or paused."
