import pytest

from rowmill.core.errors import Busy, IllegalTransition
from rowmill.core.status import Action, JobStatus, JobType, PauseReason
from rowmill.ledger.events import Event
from rowmill.ledger.store import Store

from .bench import NOW, Bench


def _types(store: Store, job: str | None = None) -> list[str]:
    return [event.type for event in store.events.after(0, 100, job)]


def test_a_jobs_life_is_told_in_order(bench: Bench, store: Store) -> None:
    pk = bench.job(1)
    job = bench.browse.job(pk)
    claim = bench.claim(pk)
    assert bench.ledger.finish(claim, Action.FAIL, NOW + 1)
    bench.control.resume(pk, NOW + 2)
    bench.control.pause(pk, NOW + 3, PauseReason.BUDGET)
    bench.control.cancel(pk, NOW + 4)
    bench.control.delete(pk, NOW + 5)
    told = store.events.after(0, 100)
    assert [event.type for event in told] == [
        "job.created", "job.running", "job.failed", "job.pending", "job.paused", "job.cancelled", "job.deleted",
    ]  # fmt: skip
    assert [event.seq for event in told] == sorted({event.seq for event in told})
    assert {(event.job, event.job_type) for event in told} == {(job.id, JobType.ENRICHMENT)}
    assert told[4] == Event(
        told[4].seq, "job.paused", job.id, JobType.ENRICHMENT, JobStatus.PAUSED, PauseReason.BUDGET, NOW + 3
    )
    assert told[-1].status is JobStatus.CANCELLED


def test_what_changes_nothing_is_not_told(bench: Bench, store: Store) -> None:
    pk = bench.job(1)
    bench.control.pause(pk, NOW)
    bench.control.pause(pk, NOW)
    assert _types(store) == ["job.created", "job.paused"]


def test_every_claim_is_told_also_that_after_a_crash(bench: Bench, store: Store) -> None:
    pk = bench.job(1)
    bench.crash(bench.claim(pk))
    bench.claim(pk)
    assert _types(store) == ["job.created", "job.running", "job.running"]


def test_what_was_refused_is_not_told(bench: Bench, store: Store) -> None:
    pk = bench.job(1)
    bench.control.cancel(pk, NOW)
    with pytest.raises(IllegalTransition):
        bench.control.resume(pk, NOW)
    running = bench.job(1)
    bench.claim(running)
    with pytest.raises(Busy):
        bench.control.delete(running, NOW)
    assert _types(store) == ["job.created", "job.cancelled", "job.created", "job.running"]


def test_events_of_one_job_and_after_a_number(bench: Bench, store: Store) -> None:
    one, other = bench.job(1), bench.job(1)
    bench.control.pause(one, NOW)
    bench.control.pause(other, NOW)
    ids = [bench.browse.job(pk).id for pk in (one, other)]
    assert [event.job for event in store.events.after(0, 100)] == [ids[0], ids[1], ids[0], ids[1]]
    assert _types(store, ids[1]) == ["job.created", "job.paused"]
    first = store.events.after(0, 1)
    assert [event.job for event in store.events.after(first[0].seq, 2)] == [ids[1], ids[0]]
    assert store.events.after(store.events.last(), 100) == []


def test_there_is_no_last_event_at_first(store: Store) -> None:
    assert store.events.last() == 0


def test_numbers_go_on_when_all_is_forgotten(bench: Bench, store: Store) -> None:
    pk = bench.job(1)
    bench.control.pause(pk, NOW)
    last = store.events.last()
    store.events.forget(NOW + 1)
    assert _types(store) == ["job.paused"]
    bench.control.resume(pk, NOW + 2)
    assert [event.seq for event in store.events.after(last, 100)] == [last + 1]
    store.events.forget(NOW + 2)
    assert _types(store) == ["job.pending"]
