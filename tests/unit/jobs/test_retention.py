from collections.abc import Callable
from pathlib import Path

import pytest

from rowmill.core.commit import Batch, Chunk, Settled, Start, Task
from rowmill.core.errors import NotFound, UsageError
from rowmill.core.job import Attempt, Job, JobDraft, Settings, Step
from rowmill.core.status import Action, JobType, RowStatus
from rowmill.jobs import control
from rowmill.jobs.retention import delete_dataset, delete_job, prune
from rowmill.ledger.store import Store
from tests.support.transfers import export, load, named, values
from tests.support.work import begin, complete, make

DAY = 86_400.0
MOODS: dict[int, str | None] = {1: "good", 2: None, 3: "good", 4: "bad"}


@pytest.fixture
def job(store: Store, engine: str, reviews: Path) -> Job:
    return complete(store, engine, make(store, engine, reviews), dict(MOODS))


@pytest.fixture
def found(store: Store, engine: str, reviews: Path) -> Job:
    """A completed enrichment that has found something for one record of the dataset ``reviews``."""
    load(store, engine, reviews, key="id")
    step = Step("mood", "python", {}, {"mood": {}})
    dataset = named(store, "reviews").pk
    draft = JobDraft(JobType.ENRICHMENT, "reviews", dataset, [(2, 2)], [step], Settings(), "")
    claim = store.ledger.claim(store.control.insert(draft, store.clock()), engine, store.clock())
    assert store.ledger.take_chunk(claim)
    store.ledger.commit(claim, Batch(starts=[Start(1, Task(1))], chunks=[Chunk(2, 1)]))
    made = Attempt(0, 1, store.clock(), 0.1, "succeeded", None, None)
    store.ledger.commit(
        claim, Batch(settled=[Settled(1, RowStatus.SUCCEEDED, made, {"mood": "good"}, 2, 7)], freed=[1])
    )
    assert store.ledger.finish(claim, Action.COMPLETE, store.clock())
    return store.browse.job(claim.job)


def later(store: Store, days: float) -> None:
    """So many days go by."""
    now = store.clock()
    store.clock = lambda: now + days * DAY


def test_a_deleted_job_is_gone_with_all_that_it_left(store: Store, job: Job, count: Callable[[str], int]) -> None:
    assert delete_job(store, job) == 0
    with pytest.raises(NotFound):
        store.browse.job(job.pk)
    assert [count(table) for table in ("jobs", "outcomes", "datasets", "records")] == [0, 0, 0, 0]


def test_a_deleted_export_takes_its_half_file_along(store: Store, job: Job, here: Path) -> None:
    exporting = export(store, job).job
    part = here / f".{exporting.id}.part"
    part.write_text("half")
    delete_job(store, exporting)
    assert not part.exists()


def test_a_job_that_is_worked_is_not_deleted(store: Store, engine: str, reviews: Path) -> None:
    job = make(store, engine, reviews)
    begin(store, engine, job)
    with pytest.raises(UsageError, match="is being run by process"):
        delete_job(store, job)
    assert store.browse.job(job.pk).running == 4


def test_the_results_that_go_with_a_job_are_counted(store: Store, found: Job) -> None:
    assert delete_job(store, found) == 1
    assert len(values(store, "reviews")) == 4
    assert store.results.jobs(found.dataset) == []


def test_a_dataset_goes_with_its_imports_and_only_if_asked_with_its_enrichments(
    store: Store, found: Job, count: Callable[[str], int]
) -> None:
    dataset = named(store, "reviews")
    with pytest.raises(UsageError, match=f"has results of the enrichment {found.id}"):
        delete_dataset(store, dataset)
    ids = [job.id for job in store.browse.jobs()]
    assert sorted(delete_dataset(store, dataset, with_jobs=True)) == sorted(ids)
    assert [count(table) for table in ("jobs", "datasets", "records", "keys", "results")] == [0, 0, 0, 0, 0]


def test_prune_removes_jobs_that_ended_long_enough_ago(store: Store, engine: str, job: Job, reviews: Path) -> None:
    paused = control.pause(store, make(store, engine, reviews, rows="1"))
    cancelled = control.cancel(store, make(store, engine, reviews, rows="2"))
    assert prune(store, DAY).jobs == []
    later(store, 2)
    young = control.cancel(store, make(store, engine, reviews, rows="3"))
    pruned = prune(store, DAY)
    assert (sorted(pruned.jobs), pruned.kept) == (sorted([job.id, cancelled.id]), {})
    assert [left.id for left in store.browse.jobs()] == [young.id, paused.id]


def test_prune_keeps_what_was_paid_for_and_says_so(store: Store, found: Job) -> None:
    later(store, 100)
    pruned = prune(store, DAY)
    assert list(pruned.kept) == [found.id]
    assert "columns of a dataset" in pruned.kept[found.id]
    assert len(pruned.jobs) == 1
    assert len(values(store, "reviews")) == 4
    assert store.results.count(found.pk) == 1


def test_prune_keeps_a_job_that_an_export_still_reads(store: Store, job: Job) -> None:
    exporting = export(store, job).job
    later(store, 100)
    pruned = prune(store, DAY)
    assert pruned.kept == {job.id: f"{exporting.id} has not finished exporting its rows."}
    assert pruned.jobs == []


def test_prune_without_an_age_removes_no_job_but_what_was_left_behind(
    store: Store, engine: str, job: Job, count: Callable[[str], int]
) -> None:
    dataset = store.datasets.begin("half.csv", dead := store.join(), store.clock())
    store.datasets.add(dataset, 1, ['["a"]'])
    store.presence.deregister(dead)
    store.leave(engine)
    store.files.mkdir(parents=True)
    (store.files / "in_left").write_text("half")
    assert prune(store, None).jobs == []
    assert count("records") == 4
    assert list(store.files.iterdir()) == []
    assert store.browse.job(job.pk)


def test_files_that_jobs_need_or_that_are_on_their_way_stay(store: Store, engine: str, job: Job) -> None:
    exporting = export(store, job, "-").job
    store.files.mkdir(parents=True)
    for name in (exporting.id, "in_under_way"):
        (store.files / name).write_text("half")
    prune(store, None)
    assert len(list(store.files.iterdir())) == 2  # an engine lives
    store.leave(engine)
    prune(store, None)
    assert [path.name for path in store.files.iterdir()] == [exporting.id]


def test_prune_says_how_much_was_given_back(store: Store, engine: str, here: Path) -> None:
    path = here / "large.csv"
    path.write_text("id,text\n" + "".join(f"{n},{'x' * 500}\n" for n in range(5000)))
    control.cancel(store, make(store, engine, path))
    later(store, 2)
    before = store.maintenance.size()
    assert prune(store, DAY).bytes == before - store.maintenance.size() > 1_000_000
    assert prune(store, DAY).bytes == 0
