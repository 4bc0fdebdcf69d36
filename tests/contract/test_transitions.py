"""The transition table against the store: each verb is said to a real job in each status."""

from collections.abc import Callable
from itertools import product

import pytest

from rowmill.core.commit import Claim
from rowmill.core.errors import Busy, ClaimLost, IllegalTransition, RowmillError, UsageError
from rowmill.core.job import JobError
from rowmill.core.status import TRANSITIONS, Action, JobStatus

from .bench import NOW, Bench

NO_CLAIM = "eng_none"
BY_ENGINE = {Action.RELEASE, Action.COMPLETE, Action.FAIL}
NEEDS_IT_FREE = {Action.CLAIM, Action.RESUME, Action.RETRY, Action.DELETE}
ERROR = JobError("no_credit", "The account has no credit.")


def _bring(bench: Bench, status: JobStatus) -> Claim:
    """A job that is ``status``, with one failed row where rows were worked; returns the claim that last held it."""
    if status is JobStatus.COMPLETED:
        return Claim(bench.completed(), NO_CLAIM, 1, 1)
    job = bench.job()
    claim = Claim(job, NO_CLAIM, 1, 1)
    if status in (JobStatus.RUNNING, JobStatus.FAILED):
        claim = bench.claim(job)
        bench.work(claim)
    if status is JobStatus.FAILED:
        bench.ledger.finish(claim, Action.FAIL, NOW, error=ERROR)
    elif status is JobStatus.PAUSED:
        bench.control.pause(job, NOW)
    elif status is JobStatus.CANCELLED:
        bench.control.cancel(job, NOW)
    assert bench.status(job) is status
    return claim


def _say(bench: Bench, verb: Action, claim: Claim) -> object:
    if verb in BY_ENGINE:
        return bench.ledger.finish(claim, verb, NOW, error=ERROR if verb is Action.FAIL else None)
    verbs: dict[Action, Callable[[], object]] = {
        Action.CLAIM: lambda: bench.claim(claim.job),
        Action.PAUSE: lambda: bench.control.pause(claim.job, NOW),
        Action.RESUME: lambda: bench.control.resume(claim.job, NOW),
        Action.RETRY: lambda: bench.control.retry(claim.job, NOW),
        Action.CANCEL: lambda: bench.control.cancel(claim.job, NOW),
        Action.DISMISS: lambda: bench.control.dismiss(claim.job),
        Action.DELETE: lambda: bench.control.delete(claim.job, NOW),
    }
    return verbs[verb]()


def _refusal(status: JobStatus, verb: Action) -> type[RowmillError] | None:
    """Why ``verb`` cannot be said; a running job is held by a living engine here."""
    if status is JobStatus.RUNNING and verb in NEEDS_IT_FREE:
        return Busy
    if (status, verb) in TRANSITIONS:
        return None
    return ClaimLost if verb in BY_ENGINE else IllegalTransition


def _check_status(bench: Bench, job: int, expected: JobStatus | None) -> None:
    lines = bench.store.database.read("SELECT status FROM jobs WHERE pk = ?", (job,))
    assert lines == ([] if expected is None else [(expected.value,)])


@pytest.mark.parametrize(("status", "verb"), list(product(JobStatus, Action)))
def test_the_store_moves_a_job_as_the_table_says(bench: Bench, status: JobStatus, verb: Action) -> None:
    claim = _bring(bench, status)
    before = bench.lines(claim.job)
    if refusal := _refusal(status, verb):
        with pytest.raises(refusal):
            _say(bench, verb, claim)
        assert bench.lines(claim.job) == before
        return
    _say(bench, verb, claim)
    if status is JobStatus.RUNNING and verb in (Action.PAUSE, Action.CANCEL):
        assert bench.status(claim.job) is JobStatus.RUNNING  # a requested action, until the engine obeys
        assert bench.ledger.finish(claim, verb, NOW)
    _check_status(bench, claim.job, TRANSITIONS[status, verb])


@pytest.mark.parametrize("verb", [verb for verb in Action if verb not in BY_ENGINE])
def test_an_interrupted_job_is_moved_at_once(bench: Bench, verb: Action) -> None:
    claim = _bring(bench, JobStatus.RUNNING)
    bench.crash(claim)
    assert bench.browse.job(claim.job).interrupted
    before = bench.browse.job(claim.job).counts
    if (JobStatus.RUNNING, verb) in TRANSITIONS:
        _say(bench, verb, claim)
        _check_status(bench, claim.job, TRANSITIONS[JobStatus.RUNNING, verb])
        return
    with pytest.raises(IllegalTransition):
        _say(bench, verb, claim)
    job = bench.browse.job(claim.job)
    assert job.interrupted
    assert job.counts == before


def test_a_job_with_rows_left_does_not_complete(bench: Bench) -> None:
    claim = bench.claim(bench.job(3))
    bench.work(claim, 2)
    assert not bench.ledger.finish(claim, Action.COMPLETE, NOW)
    assert bench.status(claim.job) is JobStatus.RUNNING


def test_a_completed_job_without_failed_rows_has_nothing_to_retry(bench: Bench) -> None:
    job = bench.completed(failed=())
    before = bench.lines(job)
    with pytest.raises(UsageError, match="no failed row"):
        bench.control.retry(job, NOW)
    assert bench.lines(job) == before


def test_the_error_that_stopped_a_job_is_kept_until_it_goes_on(bench: Bench) -> None:
    claim = _bring(bench, JobStatus.FAILED)
    assert bench.browse.job(claim.job).error == ERROR
    bench.control.resume(claim.job, NOW)
    assert bench.browse.job(claim.job).error is None
