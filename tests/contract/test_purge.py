"""What nothing needs any more goes; what anything needs stays."""

from collections.abc import Callable

import pytest

from rowmill.core.commit import Batch, Settled
from rowmill.core.errors import Busy, UsageError
from rowmill.core.messages import Message
from rowmill.core.status import Action, RowStatus
from rowmill.ledger import purge
from rowmill.ledger.store import Store

from .bench import JOB_TABLES, NOW, Bench, attempt

TRANSFER_TABLES = ("spans", "keys", "results")
ANN, BEN = ["a", "Ann"], ["b", "Ben"]


@pytest.fixture
def busy_life(bench: Bench) -> int:
    """A paused job with lines in every table that a job at rest can have lines in."""
    dataset = bench.dataset(20)
    claim = bench.claim(bench.job(dataset=dataset, ranges=[(1, 6), (8, 12)]))
    bench.start(claim, 5)
    bench.settle(claim, 1, 2, code="timeout")
    bench.put_off(claim, 3)
    bench.put_off(claim, 4)
    bench.crash(claim)
    bench.control.pause(claim.job, NOW)
    return claim.job


def test_delete_takes_all_of_a_job_and_its_dataset(bench: Bench, busy_life: int) -> None:
    lines = bench.lines(busy_life)
    assert all(lines[table] for table in set(JOB_TABLES) - {"slots", "claims"})
    bench.control.delete(busy_life, NOW)
    bench.store.purge()
    assert not any(bench.lines(busy_life).values())
    assert bench.count("datasets") == bench.count("records") == 0


def test_delete_leaves_other_jobs_and_a_dataset_that_they_use(bench: Bench, busy_life: int) -> None:
    job = bench.browse.job(busy_life)
    rest = bench.rest(job, "failed")
    other = bench.completed()
    before = [bench.lines(rest), bench.lines(other)]
    bench.control.delete(busy_life, NOW)
    bench.store.purge()
    assert [bench.lines(rest), bench.lines(other)] == before
    assert bench.count("records") == 20 + 3
    assert [row.values for row in bench.browse.rows(rest, 1, 2)] == [["text 1"], ["text 2"]]


def test_a_purge_that_was_cut_short_is_ended_by_the_next(
    bench: Bench, busy_life: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    monkeypatch.setattr(purge, "_BATCH", 2)
    with monkeypatch.context() as patch:
        patch.setattr(bench.store.maintenance, "maintain", die)
        bench.control.delete(busy_life, NOW)
        with pytest.raises(Killed):
            bench.store.purge()
    assert any(bench.lines(busy_life).values())
    bench.store.purge()
    assert not any(bench.lines(busy_life).values())
    assert bench.count("records") == 0


def test_a_load_goes_when_its_process_is_dead_and_not_before(bench: Bench, other: Store) -> None:
    engine = bench.store.join()
    bench.store.datasets.begin("half.csv", engine, NOW)
    bench.store.datasets.add(1, 1, ['["a"]', '["b"]'])
    other.purge()
    assert bench.count("records") == 2
    bench.store.presence.deregister(engine)
    other.purge()
    assert bench.count("datasets") == bench.count("records") == 0


def test_a_load_that_is_taken_back_goes_and_a_job_keeps_its_dataset(bench: Bench) -> None:
    bench.store.datasets.drop(bench.dataset(4))
    job = bench.browse.job(bench.job(3))
    bench.store.datasets.drop(job.dataset)
    bench.store.purge()
    assert bench.count("records") == 3
    assert bench.store.datasets.get(job.dataset).rows == 3


def test_a_job_can_be_worked_after_a_purge(bench: Bench) -> None:
    claim = bench.claim(bench.job(3))
    bench.start(claim, 1)
    bench.store.purge()
    bench.settle(claim, 1)
    bench.work(claim, 2, failed=())
    assert bench.ledger.finish(claim, Action.COMPLETE, NOW)


def _enriched(bench: Bench, dataset: int) -> int:
    """A completed enrichment with one result for ``dataset``."""
    claim = bench.claim(bench.job(1, dataset=dataset))
    bench.start(claim)
    found = Settled(1, RowStatus.SUCCEEDED, attempt(), {"mood": "good"}, 1, 7)
    bench.ledger.commit(claim, Batch(settled=[found], freed=[1]))
    bench.complete(claim)
    return claim.job


def test_a_dataset_outlives_every_job_that_made_it(bench: Bench) -> None:
    job = bench.imported([ANN, "missing"], [("a", "Anna"), BEN])
    bench.control.delete(job.pk, NOW)
    bench.store.purge()
    assert bench.values() == [["a", "Anna"], BEN]
    assert bench.store.datasets.numbers(bench.people(), ["a", "b"]) == {"a": 1, "b": 2}
    assert bench.count("jobs") == bench.count("outcomes") == bench.count("spans") == 0
    assert bench.imported([ANN]).changes.updated == 1


def test_a_deleted_dataset_goes_with_all_that_belongs_to_it(bench: Bench, busy_life: int) -> None:
    bench.control.delete(busy_life, NOW)
    first = bench.imported([ANN, "missing"], [("a", "Anna"), BEN])
    second = bench.imported([ANN])
    export = bench.claim(bench.export(first.dataset, 2))
    bench.commit_export_batch(export, 1, 2)
    bench.complete(export)
    found = _enriched(bench, first.dataset)
    bench.store.purge()
    assert all(bench.count(table) for table in (*TRANSFER_TABLES, "records"))
    jobs = [bench.browse.job(job).id for job in (first.pk, second.pk, export.job, found)]
    assert bench.control.delete_dataset(first.dataset, NOW, with_jobs=True) == jobs
    bench.store.purge()
    tables = (*JOB_TABLES, *TRANSFER_TABLES, "records", "datasets", "jobs")
    assert {table: bench.count(table) for table in tables} == dict.fromkeys(tables, 0)


def test_a_dataset_stays_as_long_as_an_enrichment_has_results_of_it(bench: Bench) -> None:
    dataset = bench.imported([ANN]).dataset
    job = bench.browse.job(_enriched(bench, dataset))
    with pytest.raises(UsageError) as caught:
        bench.control.delete_dataset(dataset, NOW)
    assert caught.value.message == f"The dataset has results of the enrichment {job.id} (completed)."
    assert caught.value.reason is Message.DATASET_HAS_JOBS
    assert bench.people().pk == dataset
    bench.control.delete(job.pk, NOW)
    bench.control.delete_dataset(dataset, NOW)
    assert bench.store.datasets.named("people") is None


@pytest.mark.parametrize("with_jobs", [False, True])
@pytest.mark.parametrize("kind", ["import", "export", "enrichment"])
def test_a_dataset_stays_as_long_as_a_job_on_it_may_go_on(bench: Bench, kind: str, with_jobs: bool) -> None:
    dataset = bench.imported([ANN]).dataset
    make: dict[str, Callable[[], int]] = {
        "import": bench.import_,
        "export": lambda: bench.export(dataset, 1),
        "enrichment": lambda: bench.job(1, dataset=dataset),
    }
    job = make[kind]()
    id_ = bench.browse.job(job).id
    refusals = []
    for says in ("pending", "running", "to be paused"):
        if says == "running":
            bench.claim(job)
        elif says == "to be paused":
            bench.control.pause(job, NOW)
        with pytest.raises(UsageError) as caught:
            bench.control.delete_dataset(dataset, NOW, with_jobs=with_jobs)
        refusals.append(caught.value.message)
    assert refusals[0] == f"The dataset is needed by the {kind} {id_} (pending)."
    assert refusals[1] == refusals[2] == f"The dataset is needed by the {kind} {id_} (running)."
    assert bench.values() == [ANN]
    bench.control.take_over(job, NOW)
    bench.control.cancel(job, NOW)
    bench.control.delete_dataset(dataset, NOW, with_jobs=True)


def test_several_jobs_that_need_a_dataset_are_counted(bench: Bench) -> None:
    dataset = bench.imported([ANN]).dataset
    first, *_ = (_enriched(bench, dataset) for _ in range(3))
    with pytest.raises(UsageError, match=f"enrichment {bench.browse.job(first).id} and 2 more"):
        bench.control.delete_dataset(dataset, NOW)


def test_a_name_is_free_again_once_its_dataset_is_deleted(bench: Bench) -> None:
    bench.control.delete_dataset(bench.imported([ANN, BEN]).dataset, NOW)
    bench.imported([BEN], key=None)
    assert bench.values() == [BEN]
    bench.store.purge()
    assert bench.values() == [BEN]
    assert bench.count("keys") == 0


def test_a_running_job_is_not_deleted(bench: Bench) -> None:
    claim = bench.claim(bench.import_())
    bench.bring(claim, ANN)
    with pytest.raises(Busy):
        bench.control.delete(claim.job, NOW)
    bench.bring(claim, end=True)
    bench.complete(claim)
    assert bench.values() == [ANN]


def test_the_space_of_what_was_removed_is_given_back(bench: Bench) -> None:
    bench.imported([(f"k{number}", "x" * 400) for number in range(4000)])
    bench.imported([(f"k{number}", "y" * 400) for number in range(4000)])
    bench.store.maintenance.shrink()
    before = bench.store.maintenance.size()
    bench.control.delete_dataset(bench.people().pk, NOW)
    bench.store.purge()
    bench.store.maintenance.shrink()
    assert before - bench.store.maintenance.size() > 3_000_000
    assert bench.store.maintenance.check() is None


def test_a_purge_removes_what_belongs_to_nothing_beside_what_does(bench: Bench) -> None:
    datasets = [bench.imported([ANN], [BEN], name=f"people {number}").dataset for number in range(5)]
    for dataset in datasets[::2]:
        bench.control.delete_dataset(dataset, NOW)
    bench.store.purge()
    assert [dataset.name for dataset in bench.store.datasets.page()] == ["people 1", "people 3"]
    assert (bench.count("records"), bench.count("keys"), bench.count("jobs")) == (4, 4, 2)
    assert bench.values(name="people 3") == [ANN, BEN]
