"""When an import shows up in its dataset, and when another may begin."""

from collections.abc import Callable

import pytest

from rowmill.core.commit import Claim
from rowmill.core.errors import Busy, UsageError
from rowmill.core.job import JobError
from rowmill.core.messages import Message
from rowmill.core.status import Action, JobStatus, RowStatus
from rowmill.core.transfer import Changes
from rowmill.ledger.store import Store

from .bench import NOW, Bench

ANN, BEN, CAT, DAN = ["a", "Ann"], ["b", "Ben"], ["c", "Cat"], ["d", "Dan"]


@pytest.fixture
def half(bench: Bench) -> Claim:
    """Of an import into a dataset of Ann and Ben that has brought in a change and a new record so far."""
    bench.imported([ANN, BEN])
    claim = bench.claim(bench.import_())
    bench.bring(claim, ("a", "Anna"), CAT)
    return claim


def _by_completion(bench: Bench, claim: Claim) -> None:
    bench.bring(claim, end=True)
    bench.complete(claim)


def _by_cancel(bench: Bench, claim: Claim) -> None:
    bench.control.cancel(claim.job, NOW)
    assert bench.ledger.finish(claim, Action.CANCEL, NOW)


def _by_cancel_when_paused(bench: Bench, claim: Claim) -> None:
    bench.control.pause(claim.job, NOW)
    assert bench.ledger.finish(claim, Action.PAUSE, NOW)
    bench.control.cancel(claim.job, NOW)


def _by_cancel_when_interrupted(bench: Bench, claim: Claim) -> None:
    bench.crash(claim)
    bench.control.cancel(claim.job, NOW)


def _by_a_request_that_burial_obeys(bench: Bench, claim: Claim) -> None:
    bench.control.cancel(claim.job, NOW)
    bench.crash(claim)
    bench.control.recover(claim.job, NOW)


def _by_deletion(bench: Bench, claim: Claim) -> None:
    bench.ledger.finish(claim, Action.FAIL, NOW, error=JobError("input", "The file is gone."))
    bench.control.delete(claim.job, NOW)
    bench.store.purge()


ENDS = [
    _by_completion,
    _by_cancel,
    _by_cancel_when_paused,
    _by_cancel_when_interrupted,
    _by_a_request_that_burial_obeys,
    _by_deletion,
]


@pytest.mark.parametrize("end", ENDS)
def test_what_came_in_shows_up_in_one_step_when_the_import_ends(
    bench: Bench, other: Store, half: Claim, end: Callable[[Bench, Claim], None]
) -> None:
    assert bench.values() == [ANN, BEN]
    assert (bench.people().rows, bench.people().revision) == (2, 1)
    found = other.datasets.named("people")
    assert found
    assert other.datasets.numbers(found, ["a", "b", "c"]) == {"a": 1, "b": 2}
    end(bench, half)
    assert bench.values() == [["a", "Anna"], BEN, CAT]
    assert (bench.people().rows, bench.people().revision) == (3, 2)
    assert bench.store.datasets.numbers(bench.people(), ["a", "b", "c"]) == {"a": 1, "b": 2, "c": 3}
    assert bench.values(1) == [ANN, BEN]


@pytest.mark.parametrize("end", ENDS)
def test_the_next_import_goes_on_from_there(bench: Bench, half: Claim, end: Callable[[Bench, Claim], None]) -> None:
    end(bench, half)
    assert bench.imported([CAT, DAN, ANN]).changes == Changes(created=1, updated=1, unchanged=1)
    assert bench.values() == [ANN, BEN, CAT, DAN]


@pytest.mark.parametrize(("verb", "reopens"), [(Action.PAUSE, True), (Action.FAIL, True), (Action.RELEASE, False)])
def test_an_import_that_only_rests_shows_nothing_yet(bench: Bench, half: Claim, verb: Action, reopens: bool) -> None:
    if verb is Action.PAUSE:
        bench.control.pause(half.job, NOW)
    assert bench.ledger.finish(half, verb, NOW)
    assert bench.values() == [ANN, BEN]
    if reopens:
        bench.control.resume(half.job, NOW)
    claim = bench.claim(half.job)
    bench.bring(claim, DAN, end=True)
    assert bench.complete(claim).changes == Changes(created=2, updated=1)
    assert bench.values() == [["a", "Anna"], BEN, CAT, DAN]


def test_two_imports_into_one_dataset_wait_for_each_other(bench: Bench, half: Claim) -> None:
    first = bench.browse.job(half.job)
    with pytest.raises(Busy) as caught:
        bench.import_()
    assert caught.value.message == f"{first.id}, which is running, imports into this dataset."
    assert caught.value.reason is Message.DATASET_BEING_IMPORTED
    assert bench.count("jobs") == 2
    bench.imported([ANN], name="others")
    bench.crash(half)
    with pytest.raises(Busy):
        bench.import_()
    bench.control.cancel(half.job, NOW)
    assert bench.imported([DAN]).changes == Changes(created=1)


def test_an_import_that_waits_for_an_engine_holds_its_dataset(bench: Bench) -> None:
    waiting = bench.import_()
    with pytest.raises(Busy, match="which is pending"):
        bench.import_()
    bench.control.cancel(waiting, NOW)
    assert bench.people().rows == 0
    bench.imported([ANN])


def test_a_refused_import_leaves_no_dataset_and_no_schema(bench: Bench, half: Claim) -> None:
    with pytest.raises(Busy):
        bench.import_(key=None)
    assert bench.people().schema.key == "id"


@pytest.fixture
def with_failures(bench: Bench) -> int:
    """A completed import: Ann, a line that did not fit, Ben, and another one."""
    return bench.imported([ANN, "not_date", BEN, "missing"]).pk


def _lines(bench: Bench, job: int) -> list[tuple[RowStatus, str | None]]:
    return [(row.status, row.code if row.status is not RowStatus.SUCCEEDED else None) for row in
            bench.browse.lines(job, 1, 100)]  # fmt: skip


def test_failed_rows_that_are_retried_make_a_new_revision(bench: Bench, with_failures: int) -> None:
    assert bench.control.retry(with_failures, NOW) == 2
    assert _lines(bench, with_failures)[1] == (RowStatus.PENDING, None)
    assert bench.browse.job(with_failures).counts.unprocessed == 2
    claim = bench.claim(with_failures)
    backlog = bench.ledger.backlog(claim, (-1.0, 0), 10)
    assert [(due.task.number, due.task.carried) for due in backlog] == [(2, {"name": "?"}), (4, {"name": "?"})]
    assert bench.store.transfers.next_row(claim) is None
    bench.bring_again(claim, {2: CAT, 4: "missing"})
    assert bench.values() == [ANN, BEN]
    job = bench.complete(claim)
    assert (job.counts.succeeded, job.counts.failed, job.changes) == (3, 1, Changes(created=3))
    assert bench.values() == [ANN, BEN, CAT]
    assert bench.values(1) == [ANN, BEN]
    assert bench.people().revision == 2
    assert _lines(bench, job.pk)[1::2] == [(RowStatus.SUCCEEDED, None), (RowStatus.FAILED, "missing")]


def test_a_retry_waits_for_another_import(bench: Bench, with_failures: int) -> None:
    other = bench.import_()
    with pytest.raises(Busy):
        bench.control.retry(with_failures, NOW)
    assert bench.browse.job(with_failures).status is JobStatus.COMPLETED
    assert bench.browse.job(with_failures).counts.failed == 2
    bench.control.cancel(other, NOW)
    assert bench.control.retry(with_failures, NOW) == 2
    with pytest.raises(Busy):
        bench.import_()


def test_an_earlier_line_that_is_retried_is_superseded_by_a_later_one(bench: Bench, with_failures: int) -> None:
    bench.control.retry(with_failures, NOW)
    claim = bench.claim(with_failures)
    bench.bring_again(claim, {2: ("b", "from line 2"), 4: ("a", "from line 4")})
    job = bench.complete(claim)
    assert bench.values() == [["a", "from line 4"], BEN]
    assert bench.people().revision == 2
    assert [status for status, _ in _lines(bench, job.pk)] == [
        RowStatus.SKIPPED,
        RowStatus.SKIPPED,
        RowStatus.SUCCEEDED,
        RowStatus.SUCCEEDED,
    ]
    assert (job.counts.succeeded, job.counts.failed, job.counts.skipped) == (2, 0, 2)


def test_a_row_that_came_right_at_a_retry_shows_its_record_and_no_error(bench: Bench, with_failures: int) -> None:
    bench.control.retry(with_failures, NOW)
    claim = bench.claim(with_failures)
    bench.bring_again(claim, {2: CAT, 4: "missing"})
    bench.complete(claim)
    (row,) = bench.browse.lines(with_failures, 2, 2)
    assert (row.status, row.code, row.message, row.record) == (RowStatus.SUCCEEDED, None, None, 3)


def test_a_retry_of_an_import_that_rests_goes_on_in_the_same_revision(bench: Bench, half: Claim) -> None:
    bench.bring(half, "not_date", ("a", "Anne"))
    bench.ledger.finish(half, Action.FAIL, NOW)
    assert bench.control.retry(half.job, NOW) == 1
    claim = bench.claim(half.job)
    bench.bring_again(claim, {3: DAN})
    bench.bring(claim, end=True)
    job = bench.complete(claim)
    assert bench.values() == [["a", "Anne"], BEN, CAT, DAN]
    assert bench.people().revision == 2
    assert (job.changes, job.counts.skipped) == (Changes(created=2, updated=1), 1)


def test_a_retry_that_crashes_is_gone_on_with(bench: Bench, with_failures: int) -> None:
    bench.control.retry(with_failures, NOW)
    claim = bench.claim(with_failures)
    bench.bring_again(claim, {2: CAT})
    bench.crash(claim)
    claim = bench.claim(with_failures)
    assert [due.task.number for due in bench.ledger.backlog(claim, (-1.0, 0), 10)] == [4]
    bench.bring_again(claim, {4: DAN})
    assert bench.complete(claim).changes == Changes(created=4)
    assert bench.values() == [ANN, BEN, CAT, DAN]


def test_an_import_into_a_dataset_of_another_key_never_mixes_with_it(bench: Bench) -> None:
    bench.imported([ANN], name="people")
    bench.imported([("a", "Another")], name="others")
    assert bench.values(name="people") == [ANN]
    assert bench.values(name="others") == [["a", "Another"]]
    assert [dataset.name for dataset in bench.store.datasets.page()] == ["others", "people"]
    assert [dataset.name for dataset in bench.store.datasets.page(after="others", limit=1)] == ["people"]


def test_an_empty_import_that_is_deleted_takes_its_dataset_along(bench: Bench) -> None:
    job = bench.import_()
    bench.control.delete(job, NOW)
    bench.store.purge()
    assert bench.count("datasets") == 0


def test_a_retry_of_what_has_not_failed_is_refused(bench: Bench) -> None:
    job = bench.imported([ANN])
    with pytest.raises(UsageError, match="no failed row"):
        bench.control.retry(job.pk, NOW)
    bench.import_()  # the refused retry did not reserve the dataset


def test_a_line_that_is_retried_late_is_superseded_by_a_later_import(bench: Bench, with_failures: int) -> None:
    bench.imported([("b", "newer")])
    bench.control.retry(with_failures, NOW)
    claim = bench.claim(with_failures)
    bench.bring_again(claim, {2: ("b", "from line 2"), 4: DAN})
    bench.complete(claim)
    assert ["b", "newer"] in bench.values()
    assert DAN in bench.values()
    (row,) = bench.browse.lines(with_failures, 2, 2)
    assert (row.status, row.code) == (RowStatus.SKIPPED, "superseded")
