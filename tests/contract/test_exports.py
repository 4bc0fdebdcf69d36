"""What an export has written, and what it reads from."""

import pytest

from rowmill.core.commit import Claim
from rowmill.core.errors import UsageError
from rowmill.core.status import Action, RowStatus
from rowmill.core.transfer import ExportSpec, Position

from .bench import NOW, Bench

SPANS = "SELECT lo, hi, status, code, record FROM spans WHERE job = ? ORDER BY lo"


@pytest.fixture
def claim(bench: Bench) -> Claim:
    """Of an export of ten records."""
    dataset = bench.imported([(f"k{n}", n) for n in range(10)]).dataset
    return bench.claim(bench.export(dataset, 10))


def test_rows_that_are_in_the_file_count_and_become_one_span(bench: Bench, claim: Claim) -> None:
    bench.commit_export_batch(claim, 1, 4)
    bench.commit_export_batch(claim, 5, 5)
    job = bench.browse.job(claim.job)
    assert (job.counts.total, job.counts.succeeded, job.counts.unprocessed) == (10, 5, 5)
    assert job.position == Position(after=5, offset=50)
    assert bench.store.database.read(SPANS, (claim.job,)) == [(1, 5, "succeeded", None, None)]
    assert bench.store.transfers.next_row(claim) == 6
    assert not bench.ledger.finish(claim, Action.COMPLETE, NOW)
    bench.commit_export_batch(claim, 6, 10)
    assert bench.store.transfers.next_row(claim) is None
    bench.complete(claim)
    assert bench.store.database.read(SPANS, (claim.job,)) == [(1, 10, "succeeded", None, None)]
    assert bench.browse.numbers(claim.job, RowStatus.SUCCEEDED, 3, 4) == [4, 5, 6, 7]
    assert [row.number for row in bench.browse.lines(claim.job, 9, 12)] == [9, 10]


def test_an_export_goes_on_behind_what_is_safe_after_a_crash(bench: Bench, claim: Claim) -> None:
    bench.commit_export_batch(claim, 1, 4)
    bench.crash(claim)
    claim = bench.claim(claim.job)
    assert bench.browse.job(claim.job).position == Position(after=4, offset=40)
    assert bench.browse.numbers(claim.job, RowStatus.PENDING, 0, 3) == [5, 6, 7]
    bench.commit_export_batch(claim, 5, 10)
    assert bench.complete(claim).counts.succeeded == 10


def test_an_export_that_begins_anew_has_done_nothing(bench: Bench, claim: Claim) -> None:
    bench.commit_export_batch(claim, 1, 10)
    bench.store.transfers.rewind(claim)
    job = bench.browse.job(claim.job)
    assert (job.counts.processed, job.counts.total, job.position) == (0, 10, Position())
    assert bench.browse.numbers(claim.job, RowStatus.PENDING, 0, 100) == list(range(1, 11))
    assert bench.browse.numbers(claim.job, RowStatus.SUCCEEDED, 0, 100) == []
    assert bench.browse.lines(claim.job, 1, 10) == []
    bench.commit_export_batch(claim, 1, 10)
    bench.complete(claim)


def test_a_request_reaches_an_export_with_each_commit(bench: Bench, claim: Claim) -> None:
    assert bench.commit_export_batch(claim, 1, 1).requested_action is None
    bench.control.pause(claim.job, NOW)
    assert bench.commit_export_batch(claim, 2, 2).requested_action is Action.PAUSE


def test_rows_of_an_export_are_not_retried_alone(bench: Bench, claim: Claim) -> None:
    bench.ledger.finish(claim, Action.FAIL, NOW)
    with pytest.raises(UsageError, match="cannot be retried alone"):
        bench.control.retry(claim.job, NOW)
    bench.control.resume(claim.job, NOW)
    assert bench.commit_export_batch(bench.claim(claim.job), 1, 1).requested_action is None


def test_the_job_that_an_export_reads_from_stays_until_that_has_ended(bench: Bench) -> None:
    origin = bench.browse.job(bench.completed(3))
    extract = ExportSpec([("Review", "Review")], origin.pk, origin.id, origin.seq)
    export = bench.export(origin.dataset, 3, extract=extract)
    with pytest.raises(UsageError, match=f"{bench.browse.job(export).id} has not finished exporting its rows"):
        bench.control.delete(origin.pk, NOW)
    bench.control.cancel(export, NOW)
    bench.control.delete(origin.pk, NOW)
    bench.store.purge()
    kept = bench.browse.job(export).extract
    assert kept
    assert (kept.origin, kept.origin_id) == (origin.pk, origin.id)
    with pytest.raises(UsageError, match="was deleted"):
        bench.export(origin.dataset, 3, extract=extract)
