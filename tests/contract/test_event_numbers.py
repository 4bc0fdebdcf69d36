"""From which number a listener can go on, and how it notices that there is something new."""

from rowmill.ledger.store import Store

from .bench import NOW, Bench


def test_each_job_has_its_own_newest_event(store: Store, bench: Bench) -> None:
    assert store.events.last() == store.events.oldest() == 0
    first, second = (bench.browse.job(bench.job()) for _ in range(2))
    numbers = [event.seq for event in store.events.after(0, 10)]
    assert [store.events.last(job.id) for job in (first, second)] == numbers
    assert (store.events.oldest(), store.events.last()) == (numbers[0], numbers[-1])
    assert store.events.last("job_nothere") == 0


def test_what_is_forgotten_is_the_oldest_and_never_the_newest(store: Store, bench: Bench) -> None:
    job = bench.job()
    bench.control.pause(job, NOW + 1)
    bench.control.resume(job, NOW + 2)
    numbers = [event.seq for event in store.events.after(0, 10)]
    store.events.forget(NOW + 1)
    assert (store.events.oldest(), store.events.last()) == (numbers[1], numbers[-1])
    store.events.forget(NOW + 9)
    assert store.events.oldest() == store.events.last() == numbers[-1]


def test_the_data_version_is_another_one_after_every_commit_and_only_then(store: Store, other: Store) -> None:
    bench, others = Bench(store), Bench(other)
    seen = [store.database.data_version()]
    assert store.database.data_version() == seen[0]
    for writer in (bench, others, bench):
        writer.dataset(1)
        seen.append(store.database.data_version())
        store.events.last()
        assert store.database.data_version() == seen[-1]
    assert len(set(seen)) == 4
