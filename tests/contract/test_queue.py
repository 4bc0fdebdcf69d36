"""What waits for a worker, and who owes an output file."""

import pytest

from rowmill.core.errors import NotFound
from rowmill.core.job import Job, JobError, Output
from rowmill.core.status import Action, JobStatus, JobType
from rowmill.ledger.store import Store

from .bench import NOW, Bench

ERROR = JobError("output", "The disk is full.", "Free some.")


def detached(bench: Bench, rows: int = 3) -> int:
    return bench.submit(bench.dataset(rows), [(1, rows)], detached=True)


def completed(bench: Bench, engine: str) -> int:
    """A job that a worker has completed, and whose output file it has yet to write."""
    job = bench.submit(bench.dataset(1), [(1, 1)], detached=True, output=Output("/out.csv", "csv"))
    claim = bench.ledger.claim(job, engine, NOW, as_worker=True, writes_output=True)
    bench.work(claim, 1, ())
    assert bench.ledger.finish(claim, Action.COMPLETE, NOW)
    return job


def output_owner(store: Store, job: int) -> str | None:
    name: str | None = store.database.read("SELECT output_owner FROM jobs WHERE pk = ?", (job,))[0][0]
    return name


def test_detached_jobs_wait_in_the_order_in_which_they_were_made(store: Store, bench: Bench) -> None:
    first, _, third, fourth = detached(bench), bench.job(), detached(bench), detached(bench)
    assert store.queue.waiting(JobType.ENRICHMENT, 10) == [first, third, fourth]
    assert store.queue.waiting(JobType.ENRICHMENT, 2) == [first, third]
    assert store.queue.waiting(JobType.IMPORT, 10) == []


def test_a_job_that_was_paused_or_claimed_waits_no_more(store: Store, bench: Bench) -> None:
    paused, claimed = detached(bench), detached(bench)
    store.control.pause(paused, NOW)
    bench.claim(claimed)
    assert store.queue.waiting(JobType.ENRICHMENT, 10) == []
    store.control.resume(paused, NOW, detached=True)
    assert store.queue.waiting(JobType.ENRICHMENT, 10) == [paused]
    store.control.resume(paused, NOW)
    assert store.queue.waiting(JobType.ENRICHMENT, 10) == []


def test_a_job_is_interrupted_once_its_engine_is_dead_or_has_let_it_go(store: Store, bench: Bench) -> None:
    crashed, lost, worked = bench.job(), bench.job(), bench.job()
    claims = [bench.claim(job) for job in (crashed, lost, worked)]
    assert store.queue.interrupted() == []
    bench.crash(claims[0])
    assert store.control.release_own_claim(lost, claims[1].engine, NOW)
    assert sorted(store.queue.interrupted()) == [crashed, lost]


def test_letting_go_keeps_the_rows_in_flight(store: Store, bench: Bench) -> None:
    job = bench.job(5)
    claim = bench.claim(job)
    bench.start(claim, 2)
    assert not store.control.release_own_claim(job, store.join(), NOW)
    assert store.control.release_own_claim(job, claim.engine, NOW)
    now = store.browse.job(job)
    assert (now.interrupted, now.running, now.uncertain, now.counts.unprocessed) == (True, 0, 2, 5)
    assert sorted(task.number for task in bench.start_again(bench.claim(job))) == [1, 2]


def test_what_a_worker_claims_is_any_workers_until_a_foreground_command_claims_it(store: Store, bench: Bench) -> None:
    job = bench.job()
    claim = store.ledger.claim(job, store.join(), NOW, as_worker=True)
    assert store.ledger.finish(claim, Action.RELEASE, NOW)
    assert store.queue.waiting(JobType.ENRICHMENT, 10) == [job]
    assert store.ledger.finish(bench.claim(job), Action.RELEASE, NOW)
    assert store.queue.waiting(JobType.ENRICHMENT, 10) == []


def test_a_worker_owes_the_output_file_until_it_is_written(store: Store, bench: Bench) -> None:
    worker, other = store.join(), store.join()
    job = completed(bench, worker)
    assert store.queue.pending_outputs(worker) == [job]
    assert store.queue.pending_outputs(other) == []
    assert not store.queue.take_delivery(job, other)
    assert store.queue.take_delivery(job, worker)
    store.queue.delivered(job, worker)
    assert store.queue.pending_outputs(worker) == []
    assert not store.queue.take_delivery(job, worker)
    assert store.browse.job(job).error is None


def test_another_worker_takes_over_what_a_dead_one_owes(store: Store, bench: Bench) -> None:
    worker, other = store.join(), store.join()
    job = completed(bench, worker)
    store.presence.deregister(worker)
    assert store.queue.pending_outputs(other) == [job]
    assert store.queue.take_delivery(job, other)
    assert output_owner(store, job) == other
    store.queue.delivered(job, worker)  # which comes too late
    assert store.queue.pending_outputs(other) == [job]


def test_a_file_that_cannot_be_written_is_said_by_the_job_until_it_is(store: Store, bench: Bench) -> None:
    worker = store.join()
    job = completed(bench, worker)
    store.queue.delivered(job, worker, ERROR)
    now: Job = store.browse.job(job)
    assert (now.status, now.error) == (JobStatus.COMPLETED, ERROR)
    assert store.queue.pending_outputs(worker) == []
    store.control.delivered(job, "a file")
    assert store.browse.job(job).error is None


def test_nobody_owes_a_file_for_a_job_that_is_not_completed(store: Store, bench: Bench) -> None:
    worker = store.join()
    job = detached(bench)
    claim = store.ledger.claim(job, worker, NOW, as_worker=True, writes_output=True)
    assert store.queue.pending_outputs(worker) == []
    store.ledger.finish(claim, Action.RELEASE, NOW)
    assert not store.queue.take_delivery(job, worker)
    bench.claim(job)
    assert output_owner(store, job) is None


def test_a_job_that_was_deleted_cannot_be_claimed(store: Store, bench: Bench) -> None:
    job = bench.job()
    store.control.delete(job, NOW)
    with pytest.raises(NotFound, match="deleted"):
        bench.claim(job)
