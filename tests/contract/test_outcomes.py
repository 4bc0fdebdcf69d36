"""Outcomes are only ever added, so that a reader can pin how a job stood."""

from rowmill.core.commit import Batch
from rowmill.core.status import Action, RowStatus

from .bench import NOW, Bench, settled


def _as_read(bench: Bench, job: int, pin: int) -> list[tuple[RowStatus, object, str | None]]:
    return [(row.status, row.output, row.code) for row in bench.browse.rows(job, 1, 3, pin)]


def test_rows_pinned_before_a_retry_read_the_same_after_it(bench: Bench) -> None:
    job = bench.completed(3, failed=(1, 2))
    pin = bench.browse.job(job).seq
    before = _as_read(bench, job, pin)
    assert bench.control.retry(job, NOW) == 2
    assert _as_read(bench, job, pin) == before

    claim = bench.claim(job)
    bench.start_again(claim)
    bench.settle(claim, 1, 2, value="better")
    assert _as_read(bench, job, pin) == before
    assert _as_read(bench, job, bench.browse.job(job).seq) == [
        (RowStatus.SUCCEEDED, {"mood": "better"}, None),
        (RowStatus.SUCCEEDED, {"mood": "better"}, None),
        (RowStatus.SUCCEEDED, {"mood": "good"}, None),
    ]


def test_a_row_settled_after_the_pin_was_not_settled_then(bench: Bench) -> None:
    claim = bench.claim(bench.job(3))
    bench.start(claim, 3)
    bench.settle(claim, 1)
    pin = bench.browse.job(claim.job).seq
    bench.settle(claim, 2)
    statuses = [status for status, _, _ in _as_read(bench, claim.job, pin)]
    assert statuses[0] is RowStatus.SUCCEEDED
    assert RowStatus.SUCCEEDED not in statuses[1:]


def test_every_attempt_stays_and_is_listed_in_order(bench: Bench) -> None:
    claim = bench.claim(bench.job(1))
    bench.start(claim)
    bench.put_off(claim, 1)
    bench.crash(claim)
    claim = bench.claim(claim.job)
    bench.start_again(claim)
    bench.settle(claim, 1, code="bad_request")
    assert bench.ledger.finish(claim, Action.COMPLETE, NOW)
    bench.control.retry(claim.job, NOW)
    claim = bench.claim(claim.job)
    bench.start_again(claim)
    bench.settle(claim, 1)

    (row,) = bench.browse.rows(claim.job, 1, 1)
    whole = bench.browse.attempts(claim.job, row)
    assert [attempt.code for attempt in whole.attempts] == ["timeout", "bad_request", None]
    assert whole.output == {"mood": "good"}


def test_a_row_that_is_reopened_as_it_fails_was_never_failed_to_a_reader(bench: Bench) -> None:
    claim = bench.claim(bench.job(1))
    bench.start(claim)
    bench.ledger.commit(claim, Batch(settled=[settled(1, "timeout")], freed=[1], reopened=[1]))
    job = bench.browse.job(claim.job)
    assert (job.counts.failed, job.counts.unprocessed) == (0, 1)
    for pin in range(job.seq + 1):
        assert [status for status, _, _ in _as_read(bench, claim.job, pin)] == [RowStatus.PENDING]


def test_failure_codes_count_rows_as_they_stand(bench: Bench) -> None:
    claim = bench.claim(bench.job(4))
    bench.start(claim, 4)
    bench.settle(claim, 1, code="timeout")
    bench.settle(claim, 2, 3, code="bad_request")
    bench.ledger.finish(claim, Action.FAIL, NOW)
    assert list(bench.browse.failure_codes(claim.job).items()) == [("bad_request", 2), ("timeout", 1)]
    bench.control.retry(claim.job, NOW, codes=["bad_request"])
    assert bench.browse.failure_codes(claim.job) == {"timeout": 1}
