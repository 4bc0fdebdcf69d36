"""What the lines of an import do to the records of their dataset."""

import pytest

from rowmill.core.job import Job
from rowmill.core.status import Action, RowStatus
from rowmill.core.transfer import Changes
from rowmill.tables.dataset import Version

from .bench import NOW, Bench, Line

ANN, BEN, CAT = ["a", "Ann"], ["b", "Ben"], ["c", "Cat"]


def lines(bench: Bench, job: int) -> list[tuple[RowStatus, str | None, int | None]]:
    """How each line of an import stands: status, code and record."""
    return [(row.status, row.code, row.record) for row in bench.browse.lines(job, 1, 1000)]


def counts(job: Job) -> tuple[int | None, int, int, int]:
    return job.counts.total, job.counts.succeeded, job.counts.failed, job.counts.skipped


def created(record: int) -> tuple[RowStatus, str | None, int | None]:
    return RowStatus.SUCCEEDED, None, record


UNCHANGED = (RowStatus.SKIPPED, "unchanged")
SUPERSEDED = (RowStatus.SKIPPED, "superseded", None)


@pytest.fixture
def known(bench: Bench) -> Job:
    """The import that made the dataset: Ann, Ben and Cat."""
    return bench.imported([ANN, BEN, CAT])


def test_new_keys_create_records_in_the_order_of_the_file(bench: Bench) -> None:
    job = bench.imported([CAT, ANN], [BEN])
    dataset = bench.people()
    assert (dataset.named, dataset.columns, dataset.rows, dataset.revision) == (True, ["id", "name"], 3, 1)
    assert bench.values() == [CAT, ANN, BEN]
    assert (counts(job), job.changes) == ((3, 3, 0, 0), Changes(created=3))
    assert lines(bench, job.pk) == [created(1), created(2), created(3)]
    assert bench.count("spans") == 1


def test_a_changed_line_updates_its_record_and_an_equal_one_is_skipped(bench: Bench, known: Job) -> None:
    job = bench.imported([("b", "Benjamin"), ("d", "Dan"), ("a", "Ann")])
    assert bench.values() == [ANN, ["b", "Benjamin"], CAT, ["d", "Dan"]]
    assert (counts(job), job.changes) == ((3, 2, 0, 1), Changes(created=1, updated=1, unchanged=1))
    assert lines(bench, job.pk) == [created(2), created(4), (*UNCHANGED, 1)]


def test_the_old_version_stays_readable(bench: Bench, known: Job) -> None:
    bench.imported([("b", "Benjamin")])
    bench.imported([("b", "Benni"), ("d", "Dan")])
    assert bench.values(1) == [ANN, BEN, CAT]
    assert bench.values(2) == [ANN, ["b", "Benjamin"], CAT]
    assert bench.values(3) == [ANN, ["b", "Benni"], CAT, ["d", "Dan"]]
    assert bench.store.datasets.versions(bench.people(), 2) == [
        Version(1, 2, BEN),
        Version(2, 3, ["b", "Benjamin"]),
        Version(3, None, ["b", "Benni"]),
    ]


def test_an_import_that_changes_nothing_leaves_no_trace_in_the_dataset(bench: Bench, known: Job) -> None:
    before = bench.people()
    job = bench.imported([ANN, BEN], [CAT])
    assert (counts(job), job.changes) == ((3, 0, 0, 3), Changes(unchanged=3))
    assert bench.people() == before
    assert bench.count("records") == 3


@pytest.mark.parametrize("batches", [[[0, 1, 2, 3, 4]], [[0, 1], [2], [3, 4]], [[0], [1], [2], [3], [4]]])
def test_the_last_line_of_a_key_counts_however_the_lines_are_committed(
    bench: Bench, known: Job, batches: list[list[int]]
) -> None:
    file = [("d", "one"), ("b", "one"), ("d", "two"), ("b", "two"), ("d", "three")]
    job = bench.imported(*[[file[place] for place in batch] for batch in batches])
    assert bench.values() == [ANN, ["b", "two"], CAT, ["d", "three"]]
    assert (counts(job), job.changes) == ((5, 2, 0, 3), Changes(created=1, updated=1))
    assert lines(bench, job.pk) == [SUPERSEDED, SUPERSEDED, SUPERSEDED, created(2), created(4)]
    assert bench.store.datasets.versions(bench.people(), 2) == [Version(1, 2, BEN), Version(2, None, ["b", "two"])]


def test_a_superseded_line_of_an_earlier_commit_says_by_which(bench: Bench) -> None:
    job = bench.imported([ANN], [BEN], [("a", "Anna")])
    row = bench.browse.lines(job.pk, 1, 1)[0]
    assert (row.code, row.message) == ("superseded", "Line 3 has the same key.")


@pytest.mark.parametrize("batches", [1, 2])
def test_a_record_that_ends_as_it_was_before_is_unchanged_and_has_no_version(
    bench: Bench, known: Job, batches: int
) -> None:
    file: list[Line] = [("b", "Benjamin"), BEN]
    job = bench.imported(file) if batches == 1 else bench.imported(file[:1], file[1:])
    assert (counts(job), job.changes) == ((2, 0, 0, 2), Changes(unchanged=1))
    assert lines(bench, job.pk) == [SUPERSEDED, (*UNCHANGED, 2)]
    assert bench.people().revision == 1
    assert bench.store.datasets.versions(bench.people(), 2) == [Version(1, None, BEN)]
    bench.imported([("b", "Bo")])
    assert bench.values() == [ANN, ["b", "Bo"], CAT]


def test_a_crash_between_two_commits_changes_nothing(bench: Bench, known: Job) -> None:
    claim = bench.claim(bench.import_())
    bench.bring(claim, ("b", "one"), ("d", "one"))
    bench.crash(claim)
    claim = bench.claim(claim.job)
    assert bench.store.transfers.next_row(claim) == 3
    bench.bring(claim, ("d", "two"), BEN, end=True)
    job = bench.complete(claim)
    assert bench.values() == [ANN, BEN, CAT, ["d", "two"]]
    assert (counts(job), job.changes) == ((4, 1, 0, 3), Changes(created=1, unchanged=1))
    assert job.uncertain == 0
    assert [execution.ended_as for execution in bench.browse.executions(job.pk)] == ["crashed", "completed"]


def test_without_a_key_every_line_is_a_record(bench: Bench) -> None:
    first = bench.imported([ANN, ANN], [BEN], key=None)
    assert (counts(first), first.changes) == ((3, 3, 0, 0), Changes(created=3))
    second = bench.imported([ANN], key=None)
    assert second.changes == Changes(created=1)
    assert bench.values() == [ANN, ANN, BEN, ANN]
    assert bench.values(1) == [ANN, ANN, BEN]
    assert lines(bench, second.pk) == [created(4)]


@pytest.mark.parametrize("key", ["id", None])
def test_a_crash_repeats_no_line_of_a_dataset_without_a_key(bench: Bench, key: str | None) -> None:
    claim = bench.claim(bench.import_(key=key))
    bench.bring(claim, ANN, "not_date", BEN)
    bench.crash(claim)
    bench.bring(claim := bench.claim(claim.job), CAT, end=True)
    job = bench.complete(claim)
    assert bench.values() == [ANN, BEN, CAT]
    assert counts(job) == (4, 3, 1, 0)


def test_refused_lines_fail_alone_and_keep_what_could_be_read(bench: Bench) -> None:
    job = bench.imported([ANN, "not_date"], ["missing", BEN])
    assert (counts(job), job.changes, job.needs_attention) == ((4, 2, 2, 0), Changes(created=2), True)
    assert bench.values() == [ANN, BEN]
    assert lines(bench, job.pk) == [
        created(1),
        (RowStatus.FAILED, "not_date", None),
        (RowStatus.FAILED, "missing", None),
        created(2),
    ]
    (refused,) = bench.browse.lines(job.pk, 2, 2)
    assert (refused.output, refused.message) == ({"name": "?"}, "It does not fit.")
    assert bench.browse.failure_codes(job.pk) == {"missing": 1, "not_date": 1}
    assert bench.browse.numbers(job.pk, RowStatus.FAILED, 0, 9) == [2, 3]


def test_columns_that_the_file_lacks_keep_their_values(bench: Bench) -> None:
    columns = ["id", "name", "age"]
    bench.imported([("a", "Ann", 30), ("b", "Ben", 40)])
    claim = bench.claim(bench.import_())
    bench.bring(claim, ("a", None, 31), ("b", None, 40), ("c", None, 50), end=True, columns=columns, covered=[0, 2])
    job = bench.complete(claim)
    assert bench.values() == [["a", "Ann", 31], ["b", "Ben", 40], ["c", None, 50]]
    assert job.changes == Changes(created=1, updated=1, unchanged=1)


def test_a_value_that_the_file_leaves_empty_is_emptied_and_one_that_it_lacks_is_not(bench: Bench) -> None:
    bench.imported([("a", "Ann", 30)])
    claim = bench.claim(bench.import_())
    bench.bring(claim, ("a",), end=True, columns=["id", "name", "age"], covered=[0, 2])
    bench.complete(claim)
    assert bench.values() == [["a", "Ann"]]


def test_a_new_column_joins_the_dataset_with_the_import(bench: Bench, known: Job) -> None:
    claim = bench.claim(bench.import_())
    bench.bring(claim, ("a", "Ann", 30), end=True, columns=["id", "name", "age"])
    assert bench.people().columns == ["id", "name"]
    bench.complete(claim)
    assert bench.people().columns == ["id", "name", "age"]
    assert bench.values() == [["a", "Ann", 30], BEN, CAT]


def test_more_keys_than_one_query_takes_are_found(bench: Bench) -> None:
    many = [(f"k{number}", number) for number in range(12_000)]
    bench.imported(many[:6000], many[6000:])
    assert len(bench.store.datasets.numbers(bench.people(), [key for key, _ in many])) == 12_000
    job = bench.imported(many[:6000], many[6000:])
    assert (counts(job), bench.count("spans")) == ((12_000, 0, 0, 12_000), 2)


def test_lines_are_listed_by_status_and_in_pages(bench: Bench, known: Job) -> None:
    claim = bench.claim(bench.import_())
    bench.bring(claim, ANN, "missing", ("d", "one"), ("e", "Eve"), ("f", "Fay"))
    bench.bring(claim, ("d", "two"), BEN)
    expected = {RowStatus.SUCCEEDED: [4, 5, 6], RowStatus.FAILED: [2], RowStatus.SKIPPED: [1, 3, 7]}
    for status, numbers in expected.items():
        assert bench.browse.numbers(claim.job, status, 0, 10) == numbers
        assert bench.browse.numbers(claim.job, status, 4, 1) == [n for n in numbers if n > 4][:1]
    assert bench.browse.numbers(claim.job, RowStatus.PENDING, 0, 10) == []  # nobody knows how many are left
    assert [row.number for row in bench.browse.lines(claim.job, 3, 5)] == [3, 4, 5]
    assert bench.browse.job(claim.job).counts.total is None
    assert not bench.ledger.finish(claim, Action.COMPLETE, NOW)
