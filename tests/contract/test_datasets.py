import pytest

from rowmill.core.errors import UsageError
from rowmill.ledger.store import Store

from .bench import NOW, Bench


def test_a_whole_dataset_is_found_by_its_content_once_a_job_has_taken_it(bench: Bench) -> None:
    dataset = bench.dataset(4)
    content = f"hash of {dataset}"
    assert bench.store.datasets.find(content) is None
    bench.job(dataset=dataset)
    found = bench.store.datasets.find(content)
    assert found
    assert (found.pk, found.name, found.columns, found.rows) == (dataset, "reviews.csv", ["Review"], 4)
    assert found == bench.store.datasets.get(dataset)


def test_a_job_on_a_dataset_that_went_away_is_refused(bench: Bench) -> None:
    dataset = bench.dataset()
    bench.store.datasets.drop(dataset)
    with pytest.raises(UsageError, match="has just been deleted"):
        bench.job(dataset=dataset)
    assert bench.count("jobs") == 0


def test_an_engine_is_alive_to_every_process_until_it_leaves(bench: Bench, other: Store) -> None:
    engine = bench.store.join()
    assert bench.store.presence.alive(engine)
    assert other.presence.alive(engine)
    bench.store.leave(engine)
    assert not other.presence.alive(engine)
    assert bench.count("engines") == 0


def test_an_engine_that_leaves_with_a_job_leaves_it_interrupted(bench: Bench, other: Store) -> None:
    claim = bench.claim(bench.job())
    bench.store.leave(claim.engine)
    assert other.browse.job(claim.job).interrupted
    assert other.ledger.claim(claim.job, other.join(), NOW).generation == claim.generation + 1
