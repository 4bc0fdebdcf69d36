"""Each verb that may meet a rival in another process, against that rival: both begin at the same moment."""

import threading
from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest

from rowmill.core.commit import Claim
from rowmill.core.errors import Busy, ClaimLost, IllegalTransition, RowmillError
from rowmill.core.job import JobDraft, Settings, Step
from rowmill.core.status import Action, JobStatus, JobType
from rowmill.core.transfer import Source
from rowmill.core.usage import Amount
from rowmill.ledger.limits import Meter
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Target
from rowmill.tables.schema import Schema
from rowmill.webhooks.deliveries import Deliveries
from rowmill.webhooks.store import Webhooks

from .bench import NOW, Bench

ROUNDS = 5


def race(*rivals: Callable[[], Any]) -> list[Any]:
    """What each rival returned, or the error that it got."""
    start = threading.Barrier(len(rivals))
    results: dict[int, Any] = {}

    def run(number: int, rival: Callable[[], Any]) -> None:
        start.wait(60)
        try:
            results[number] = rival()
        except RowmillError as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(rivals)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(len(rivals))]


def kinds(results: list[Any]) -> Counter[type]:
    return Counter(map(type, results))


def test_of_two_engines_that_claim_a_job_one_gets_it(bench: Bench, other: Store) -> None:
    for _ in range(ROUNDS):
        job = bench.job()
        engines = bench.store.join(), other.join()
        results = race(
            lambda: bench.ledger.claim(job, engines[0], NOW),  # noqa: B023 - called within the round
            lambda: other.ledger.claim(job, engines[1], NOW),  # noqa: B023
        )
        assert kinds(results) == {Claim: 1, Busy: 1}
        assert bench.store.database.read("SELECT count(*) FROM claims WHERE job = ?", (job,)) == [(1,)]


def test_the_store_itself_refuses_a_second_claim(bench: Bench) -> None:
    claim = bench.claim(bench.job())
    with pytest.raises(RowmillError, match="claims"), bench.store.database.transaction() as tx:
        tx.execute("INSERT INTO claims (job, generation, engine) VALUES (?, 99, 'rival')", (claim.job,))


def test_no_row_is_handed_out_twice(bench: Bench, other: Store) -> None:
    claim = bench.claim(bench.job(40))

    def take(store: Store) -> list[int]:
        chunks = iter(lambda: store.ledger.take_chunk(claim, 3), None)
        return list(chain.from_iterable(range(chunk.lo, chunk.hi + 1) for chunk in chunks if chunk))

    mine, theirs = race(lambda: take(bench.store), lambda: take(other))
    assert sorted(mine + theirs) == list(range(1, 41))


def test_a_commit_either_counts_or_is_refused_when_the_job_is_taken_over(bench: Bench, other: Store) -> None:
    for _ in range(ROUNDS):
        claim = bench.claim(bench.job(2))
        bench.start(claim, 2)
        committed, _ = race(
            lambda: bench.settle(claim, 1, 2),  # noqa: B023
            lambda: other.control.take_over(claim.job, NOW),  # noqa: B023
        )
        job = bench.browse.job(claim.job)
        lost = isinstance(committed, ClaimLost)
        assert (job.counts.succeeded, job.uncertain) == ((0, 2) if lost else (2, 0))
        assert job.interrupted


def test_a_job_that_completes_while_it_is_paused_does_one_of_both(bench: Bench, other: Store) -> None:
    for _ in range(ROUNDS):
        claim = bench.claim(bench.job(1))
        bench.work(claim, 1, ())
        finished, paused = race(
            lambda: bench.ledger.finish(claim, Action.COMPLETE, NOW),  # noqa: B023
            lambda: other.control.pause(claim.job, NOW),  # noqa: B023
        )
        assert finished is True
        assert paused is None or isinstance(paused, IllegalTransition)
        assert bench.status(claim.job) is JobStatus.COMPLETED


def test_of_two_retries_one_takes_the_rows_back(bench: Bench, other: Store) -> None:
    for _ in range(ROUNDS):
        job = bench.completed(3, failed=(1, 2))
        results = race(
            lambda: bench.control.retry(job, NOW),  # noqa: B023
            lambda: other.control.retry(job, NOW),  # noqa: B023
        )
        assert kinds(results) == {int: 1, IllegalTransition: 1}
        counts = bench.browse.job(job).counts
        assert (counts.succeeded, counts.failed, counts.unprocessed) == (1, 0, 2)


def test_two_changes_of_settings_are_both_kept(bench: Bench, other: Store) -> None:
    for _ in range(ROUNDS):
        job = bench.job()
        race(
            lambda: bench.control.update(job, {"concurrency": 9}),  # noqa: B023
            lambda: other.control.update(job, {"rpm": 60}),  # noqa: B023
        )
        settings = bench.browse.job(job).settings
        assert (settings.concurrency, settings.rpm) == (9, 60)


def test_of_two_changes_to_what_both_have_seen_one_is_made(bench: Bench, other: Store) -> None:
    for _ in range(ROUNDS):
        seen = bench.browse.job(bench.job())
        results = race(
            lambda: bench.control.update(seen.pk, {}, name="mine", seen=seen),  # noqa: B023
            lambda: other.control.update(seen.pk, {}, name="theirs", seen=seen),  # noqa: B023
        )
        assert sorted(results) == [False, True]


def test_the_same_run_becomes_one_job(bench: Bench, other: Store) -> None:
    dataset = bench.dataset(1)
    for number in range(ROUNDS):
        step = Step("python", "python", {}, {"mood": {}})
        draft = JobDraft(
            JobType.ENRICHMENT, "reviews.csv", dataset, [(1, 1)], [step], Settings(), identity=f"run {number}"
        )
        (one, new), (another, new_too) = race(
            lambda: bench.control.find_or_insert(draft, NOW, repeats=False),  # noqa: B023
            lambda: other.control.find_or_insert(draft, NOW, repeats=False),  # noqa: B023
        )
        assert one == another
        assert sorted([new, new_too]) == [False, True]


def test_of_two_imports_into_a_new_dataset_one_is_refused(bench: Bench, other: Store) -> None:
    source = Source("/people.csv", "csv", "people.csv", "csv:hash")
    draft = JobDraft(JobType.IMPORT, "people.csv", 0, [], [], Settings(), identity="import", source=source)
    for number in range(ROUNDS):
        target = Target(f"people {number}", Schema(key="id"))
        results = race(
            lambda: bench.control.insert(draft, NOW, target),  # noqa: B023
            lambda: other.control.insert(draft, NOW, target),  # noqa: B023
        )
        assert kinds(results) == {int: 1, Busy: 1}
    assert bench.count("datasets") == ROUNDS


def test_no_moment_is_leased_twice(store: Store, other: Store) -> None:
    meters = [Meter("key", 60, None)]
    leases = race(
        lambda: [store.limits.lease(meters, [0, 0], NOW).starts for _ in range(ROUNDS)],
        lambda: [other.limits.lease(meters, [0, 0], NOW).starts for _ in range(ROUNDS)],
    )
    starts = list(chain.from_iterable(chain.from_iterable(leases)))
    assert len(set(starts)) == len(starts) == 4 * ROUNDS


def test_no_more_is_leased_than_the_months_limit_leaves(bench: Bench, other: Store) -> None:
    bench.store.usage.set_limits({"rows_per_month": 10})
    for _ in range(ROUNDS):
        claims = [bench.claim(bench.job(20)) for _ in range(2)]
        ask = Amount(), Amount(1), Amount(8), NOW
        grants = race(
            lambda: bench.store.allowances.lease(claims[0], *ask),  # noqa: B023
            lambda: other.allowances.lease(claims[1], *ask),  # noqa: B023
        )
        assert sorted(grant.amount.rows for grant in grants) == [2, 8]
        for claim in claims:
            bench.ledger.finish(claim, Action.RELEASE, NOW)


def test_who_follows_events_misses_none(bench: Bench, other: Store) -> None:
    dataset = bench.dataset(1)
    writers = [bench, Bench(other)]
    writing = threading.Semaphore(0)

    def write(writer: Bench) -> None:
        for _ in range(4 * ROUNDS):
            bench_job = writer.job(1, dataset=dataset)
            writer.control.cancel(bench_job, NOW)
        writing.release()

    def follow() -> list[int]:
        seen: list[int] = []
        ended = 0
        while True:
            ended += writing.acquire(blocking=False)
            events = bench.store.events.after(seen[-1] if seen else 0, 3)
            seen += [event.seq for event in events]
            if ended == len(writers) and not events:
                return seen

    *_, seen = race(*(lambda writer=writer: write(writer) for writer in writers), follow)
    assert seen == [event.seq for event in bench.store.events.after(0, 1000)]
    assert len(seen) == 2 * 2 * 4 * ROUNDS


def test_an_event_becomes_one_delivery_and_a_delivery_is_sent_by_one(bench: Bench, other: Store) -> None:
    Webhooks(bench.store.database).create("whk_1", "http://127.0.0.1:9", [], "sealed", NOW)
    for _ in range(3 * ROUNDS):
        bench.job(1)
    outboxes = [Deliveries(store.database) for store in (bench.store, other)]
    race(*(lambda outbox=outbox: outbox.enqueue(lambda event: event.job, NOW) for outbox in outboxes))
    assert len(outboxes[0].page("whk_1")) == 3 * ROUNDS
    senders = bench.store.register(), other.register()
    claimed = race(
        lambda: [outboxes[0].due(senders[0], NOW, 2, 60.0) for _ in range(3 * ROUNDS)],
        lambda: [outboxes[1].due(senders[1], NOW, 2, 60.0) for _ in range(3 * ROUNDS)],
    )
    sent = [delivery.id for each in claimed for some in each for delivery, _ in some]
    assert sorted(sent) == sorted(delivery.id for delivery in outboxes[0].page("whk_1"))
