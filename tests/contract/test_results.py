"""What jobs found for the records of a lasting dataset."""

import pytest

from rowmill.core.commit import Batch, Settled
from rowmill.core.errors import UsageError
from rowmill.core.status import Action, RowStatus
from rowmill.tables.dataset import Result

from .bench import NOW, Bench, attempt

ANN, BEN, CAT = ["a", "Ann"], ["b", "Ben"], ["c", "Cat"]


@pytest.fixture
def people(bench: Bench) -> int:
    """A lasting dataset of three."""
    return bench.imported([ANN, BEN, CAT]).dataset


def find(bench: Bench, claim: object, moods: dict[int, str | None], hash_: int = 7) -> None:
    """Settles started rows with a mood, or as failed; row n is record n."""
    settled = [
        Settled(n, RowStatus.SUCCEEDED, attempt(), {"mood": mood}, n, hash_)
        if mood
        else Settled(n, RowStatus.FAILED, attempt("timeout"), None, n, hash_)
        for n, mood in moods.items()
    ]
    bench.ledger.commit(claim, Batch(settled=settled, freed=list(moods)))  # type: ignore[arg-type]


def results(bench: Bench, dataset: int, result_version: int | None = None) -> list[tuple[int, Result]]:
    now = bench.store.datasets.get(dataset).result_version
    return bench.store.results.between(dataset, 1, 100, now if result_version is None else result_version)


def test_a_good_outcome_is_a_result_with_where_it_comes_from(bench: Bench, people: int) -> None:
    claim = bench.claim(bench.job(3, dataset=people))
    bench.start(claim, 3)
    find(bench, claim, {1: "good", 2: None})
    find(bench, claim, {3: "bad"}, -5)
    id_ = bench.browse.job(claim.job).id
    assert results(bench, people) == [
        (1, Result(1, claim.job, id_, 1, 1, {"mood": "good"}, 7)),
        (3, Result(2, claim.job, id_, 1, 3, {"mood": "bad"}, -5)),
    ]
    assert bench.store.results.inputs(people, 1, 3, 9) == [(1, claim.job, 7), (3, claim.job, -5)]
    assert bench.store.results.jobs(people) == [claim.job]
    assert bench.store.results.count(claim.job) == 2
    assert bench.values() == [ANN, BEN, CAT]


def test_the_execution_is_the_one_that_found_it(bench: Bench, people: int) -> None:
    job = bench.job(3, dataset=people)
    claim = bench.claim(job)
    bench.start(claim, 2)
    find(bench, claim, {1: "good"})
    bench.crash(claim)
    claim = bench.claim(job)
    bench.start_again(claim)
    find(bench, claim, {2: None})
    bench.start(claim, 1)
    find(bench, claim, {3: "good"})
    assert bench.ledger.finish(claim, Action.COMPLETE, NOW)
    bench.control.retry(job, NOW)
    claim = bench.claim(job)
    bench.start_again(claim)
    find(bench, claim, {2: "late"})
    assert [(record, found.execution) for record, found in results(bench, people)] == [(1, 1), (2, 3), (3, 2)]


def test_results_are_versioned_by_stamp_and_nothing_is_overwritten(bench: Bench, people: int) -> None:
    for mood in ("good", "bad"):
        claim = bench.claim(bench.job(2, dataset=people))
        bench.start(claim, 2)
        find(bench, claim, {1: mood})
        find(bench, claim, {2: mood})
    assert [(record, r.output["mood"]) for record, r in results(bench, people)] == [
        (1, "good"), (1, "bad"), (2, "good"), (2, "bad"),
    ]  # fmt: skip
    values = bench.store.results.values
    assert values(people, 1, 3, 4) == {1: {"mood": "bad"}, 2: {"mood": "bad"}}
    assert values(people, 1, 3, 3) == {1: {"mood": "bad"}, 2: {"mood": "good"}}
    assert values(people, 2, 3, 2) == {2: {"mood": "good"}}
    assert values(people, 1, 3, 0) == {}


def test_a_commit_without_a_good_outcome_leaves_the_stamp(bench: Bench, people: int) -> None:
    claim = bench.claim(bench.job(2, dataset=people))
    bench.start(claim, 2)
    find(bench, claim, {1: None})
    assert bench.store.datasets.get(people).result_version == 0
    find(bench, claim, {2: "good"})
    assert bench.store.datasets.get(people).result_version == 1


def test_a_table_that_does_not_last_has_no_results(bench: Bench) -> None:
    job = bench.completed()
    assert bench.count("results") == 0
    assert bench.store.results.count(job) == 0


def test_results_go_with_their_job_and_only_they(bench: Bench, people: int) -> None:
    jobs = []
    for mood in ("good", "bad"):
        claim = bench.claim(bench.job(1, dataset=people))
        bench.start(claim)
        find(bench, claim, {1: mood})
        bench.ledger.finish(claim, Action.COMPLETE, NOW)
        jobs.append(claim.job)
    bench.control.delete(jobs[1], NOW)
    bench.store.purge()
    assert [r.output for _, r in results(bench, people)] == [{"mood": "good"}]
    assert bench.store.results.jobs(people) == jobs[:1]
    assert bench.values() == [ANN, BEN, CAT]


def test_the_results_that_a_job_may_use_stay_until_it_has_ended(bench: Bench, people: int) -> None:
    claim = bench.claim(bench.job(1, dataset=people))
    bench.start(claim)
    find(bench, claim, {1: "good"})
    bench.ledger.finish(claim, Action.COMPLETE, NOW)
    user = bench.submit(people, [(1, 3)], revision=1, result_version=1)
    with pytest.raises(UsageError, match=f"{bench.browse.job(user).id} has not ended and may use the columns"):
        bench.control.delete(claim.job, NOW)
    assert bench.count("results") == 1
    bench.control.cancel(user, NOW)
    bench.control.delete(claim.job, NOW)


def test_a_job_sees_the_values_that_it_was_made_for(bench: Bench, people: int) -> None:
    chosen = bench.submit(people, [(1, 1), (3, 3)], revision=1)
    ranged = bench.submit(people, [(2, 3)], revision=1)
    bench.imported([("a", "Anna"), ("c", "Catherine"), ("d", "Dan")])
    newer = bench.submit(people, [(1, 4)], revision=2)
    assert bench.browse.records(chosen, 1, 9) == [(1, 1, ANN), (2, 3, CAT)]
    assert bench.browse.records(ranged, 1, 9) == [(1, 2, BEN), (2, 3, CAT)]
    assert [values for _, _, values in bench.browse.records(newer, 1, 9)] == [
        ["a", "Anna"], BEN, ["c", "Catherine"], ["d", "Dan"],
    ]  # fmt: skip
    assert [row.values for row in bench.browse.rows(ranged, 1, 2)] == [BEN, CAT]
    rest = bench.rest(bench.browse.job(chosen), "unprocessed")
    assert bench.browse.records(rest, 1, 9) == [(1, 1, ANN), (2, 3, CAT)]


def test_a_job_sees_nothing_of_an_import_under_way(bench: Bench, people: int) -> None:
    job = bench.submit(people, [(1, 3)], revision=1)
    claim = bench.claim(bench.import_())
    bench.bring(claim, ("a", "Anna"))
    assert bench.browse.records(job, 1, 1) == [(1, 1, ANN)]


def test_a_job_that_is_retried_late_does_not_hide_what_was_found_for_newer_values(bench: Bench, people: int) -> None:
    older = bench.submit(people, [(1, 3)], revision=1)
    claim = bench.claim(older)
    bench.start(claim, 3)
    find(bench, claim, {1: None, 2: "old", 3: "old"})
    bench.complete(claim)
    bench.imported([("a", "Anna")])
    claim = bench.claim(bench.submit(people, [(1, 3)], revision=2))
    bench.start(claim, 3)
    find(bench, claim, {1: "new", 2: "new", 3: "new"}, 8)
    bench.complete(claim)
    bench.control.retry(older, NOW)
    claim = bench.claim(older)
    bench.start_again(claim)
    find(bench, claim, {1: "late"})
    bench.complete(claim)

    now = bench.people().result_version
    assert bench.store.results.values(people, 1, 3, now) == {record: {"mood": "new"} for record in (1, 2, 3)}
    assert [found.output["mood"] for record, found in results(bench, people) if record == 1] == ["late", "new"]
    assert {record: hash_ for record, _, hash_ in bench.store.results.inputs(people, 1, 3, now)} == {1: 8, 2: 8, 3: 8}
