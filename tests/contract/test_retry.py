"""Which rows a retry takes back, and what a new job takes over from another."""

import pytest

from rowmill.core.commit import Claim
from rowmill.core.errors import UsageError
from rowmill.core.status import Action, JobStatus

from .bench import NOW, Bench


@pytest.fixture
def stopped(bench: Bench) -> Claim:
    """Of a paused job: rows 1 to 3 failed (3 with another code), 4 succeeded, 5 put off, 6 to 8 untouched."""
    claim = bench.claim(bench.job(8))
    bench.start(claim, 5)
    bench.settle(claim, 1, 2, code="timeout")
    bench.settle(claim, 3, code="bad_request")
    bench.settle(claim, 4)
    bench.put_off(claim, 5)
    bench.control.pause(claim.job, NOW)
    assert bench.ledger.finish(claim, Action.PAUSE, NOW)
    return claim


def _to_do(bench: Bench, job: int) -> list[int]:
    """The rows that an engine would work now."""
    claim = bench.claim(job)
    numbers = [due.task.number for due in bench.ledger.backlog(claim, (-1.0, 0), 100)]
    while chunk := bench.ledger.take_chunk(claim):
        numbers += range(chunk.lo, chunk.hi + 1)
    return sorted(numbers)


def test_retry_takes_failed_rows_and_what_is_left(bench: Bench, stopped: Claim) -> None:
    assert bench.control.retry(stopped.job, NOW) == 3
    assert _to_do(bench, stopped.job) == [1, 2, 3, 5, 6, 7, 8]
    assert bench.browse.job(stopped.job).counts.failed == 0


def test_resume_takes_what_is_left_only(bench: Bench, stopped: Claim) -> None:
    bench.control.resume(stopped.job, NOW)
    assert _to_do(bench, stopped.job) == [5, 6, 7, 8]
    assert bench.browse.job(stopped.job).counts.failed == 3


def test_rows_can_be_chosen_by_code_and_by_range(bench: Bench, stopped: Claim) -> None:
    assert bench.control.retry(stopped.job, NOW, codes=["timeout"], ranges=[(2, 3), (7, 8)]) == 1
    assert _to_do(bench, stopped.job) == [2, 5, 6, 7, 8]


def test_failed_only_leaves_untouched_rows_alone(bench: Bench, stopped: Claim) -> None:
    bench.control.retry(stopped.job, NOW, failed_only=True)
    assert _to_do(bench, stopped.job) == [1, 2, 3, 5]


def test_failed_only_still_holds_when_another_engine_goes_on(bench: Bench, stopped: Claim) -> None:
    bench.control.retry(stopped.job, NOW, failed_only=True)
    claim = bench.claim(stopped.job)
    assert bench.ledger.finish(claim, Action.RELEASE, NOW)
    assert _to_do(bench, stopped.job) == [1, 2, 3, 5]


def test_failed_only_still_holds_after_a_crash(bench: Bench, stopped: Claim) -> None:
    bench.control.retry(stopped.job, NOW, failed_only=True)
    bench.crash(bench.claim(stopped.job))
    assert _to_do(bench, stopped.job) == [1, 2, 3, 5]


def test_a_retry_of_dismissed_failures_asks_for_attention_again(bench: Bench) -> None:
    job = bench.completed()
    assert bench.browse.job(job).needs_attention
    bench.control.dismiss(job)
    assert not bench.browse.job(job).needs_attention
    bench.control.retry(job, NOW)
    claim = bench.claim(job)
    bench.start_again(claim)
    bench.settle(claim, 1, code="timeout")
    bench.ledger.finish(claim, Action.COMPLETE, NOW)
    assert bench.browse.job(job).needs_attention


@pytest.mark.parametrize(("status", "records"), [("failed", [13, 14, 15]), ("unprocessed", [17, 18, 30, 40])])
def test_a_new_job_works_the_records_that_another_left(bench: Bench, status: str, records: list[int]) -> None:
    dataset = bench.dataset(50)
    claim = bench.claim(bench.job(dataset=dataset, ranges=[(13, 18), (30, 30), (40, 40)]))
    bench.work(claim, 4, failed=(1, 2, 3))
    bench.start(claim, 1)
    bench.crash(claim)
    bench.control.cancel(claim.job, NOW)
    origin = bench.browse.job(claim.job)
    rest = bench.rest(origin, status)
    assert [record for _, record, _ in bench.browse.records(rest, 1, 100)] == records
    assert bench.browse.job(rest).counts.total == len(records)
    assert bench.status(rest) is JobStatus.PENDING


def test_a_new_job_of_nothing_is_refused(bench: Bench) -> None:
    origin = bench.browse.job(bench.completed(failed=()))
    jobs = bench.count("jobs")
    for status in ("failed", "unprocessed"):
        with pytest.raises(UsageError, match="no row to work on"):
            bench.rest(origin, status)
    with pytest.raises(UsageError, match="'succeeded' is not what a job leaves"):
        bench.rest(origin, "succeeded")
    assert bench.count("jobs") == jobs
