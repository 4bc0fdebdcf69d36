"""What nothing needs any more goes; what anything needs stays."""

import pytest

from rowmill.model.status import Verb
from rowmill.store import purge
from rowmill.store.store import Store

from .bench import JOB_TABLES, NOW, Bench


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
    assert not any(bench.lines(busy_life).values())
    assert bench.count("datasets") == bench.count("records") == 0


def test_delete_leaves_other_jobs_and_a_dataset_that_they_use(bench: Bench, busy_life: int) -> None:
    job = bench.browse.job(busy_life)
    rest = bench.rest(job, "failed")
    other = bench.completed()
    before = [bench.lines(rest), bench.lines(other)]
    bench.control.delete(busy_life, NOW)
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
        patch.setattr(bench.store.database, "maintain", die)
        with pytest.raises(Killed):
            bench.control.delete(busy_life, NOW)
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
    bench.store.database.vanish(engine)
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
    assert bench.ledger.finish(claim, Verb.COMPLETE, NOW)
