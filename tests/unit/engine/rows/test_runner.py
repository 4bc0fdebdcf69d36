"""The pump: what starts when, what is saved together, and that nothing waits in vain."""

import asyncio
from typing import Any

import pytest

from rowmill.core.commit import Batch, Claim, ControlState
from rowmill.core.job import Settings
from rowmill.core.outcome import Outcome, RetryLater
from rowmill.core.status import Action, JobStatus, RowStatus
from rowmill.engine.engine import Engine
from rowmill.engine.rows.runner import Runner
from rowmill.ledger.store import Store
from tests.support.engine import Player, after, done, job_of, now, work


def watched(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """The batches that are committed from here on."""
    batches: list[Batch] = []
    commit = store.ledger.commit

    def note(claim: Claim, batch: Batch) -> ControlState:
        batches.append(batch)
        return commit(claim, batch)

    monkeypatch.setattr(store.ledger, "commit", note)
    return batches


def test_works_every_row_once_and_completes(store: Store) -> None:
    player = Player(lambda n: after(1.0, done(n)))
    job = job_of(store, 23)
    assert work(store, job, player) is Action.COMPLETE
    ended = now(store, job)
    assert ended.status is JobStatus.COMPLETED
    assert ended.counts.succeeded == 23
    assert sorted(player.numbers) == list(range(1, 24))
    assert player.peak == 5


def test_one_slow_row_never_holds_the_others_back(store: Store) -> None:
    player = Player(lambda n: after(50.0 if n == 1 else 1.0, done(n)))
    work(store, job_of(store, 40), player)
    assert max(at for at, _ in player.calls) < 12.0


def test_what_comes_in_during_a_commit_is_saved_by_the_next_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = watched(store, monkeypatch)
    player = Player(lambda n: after(0.001, done(n)))
    work(store, job_of(store, 200, Settings(concurrency=20)), player, latency=0.1)
    sizes = [len(batch.settled) for batch in batches]
    assert sum(sizes) == 200
    assert max(sizes) == 20
    assert len(batches) < 50


def test_a_slot_is_freed_only_where_nothing_takes_its_place(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = watched(store, monkeypatch)
    work(store, job_of(store, 12, Settings(concurrency=3)), Player(lambda n: after(1.0, done(n))))
    assert [batch.freed for batch in batches if batch.starts] == [[]] * 4
    assert sorted(batches[-1].freed) == [0, 1, 2]


def test_concurrency_is_steered_up_and_down_mid_run(store: Store) -> None:
    player = Player(lambda n: after(1.0, done(n)))
    job = job_of(store, 60, Settings(concurrency=2))
    flights: list[int] = []

    async def update_settings(_: Engine) -> None:
        for concurrency in (10, 1):
            await asyncio.sleep(2.7)
            flights.append(len(player.in_flight))
            store.control.update(job.pk, {"concurrency": concurrency})
        await asyncio.sleep(2.7)
        flights.append(len(player.in_flight))

    work(store, job, player, beside=update_settings)
    assert flights == [2, 10, 1]


def test_a_processors_own_bound_holds(store: Store) -> None:
    player = Player(lambda n: after(1.0, done(n)), most=2)
    work(store, job_of(store, 10, Settings(concurrency=8)), player)
    assert player.peak == 2


def test_steps_follow_each_other_and_see_what_came_before(store: Store) -> None:
    job = job_of(store, 7, steps=2)
    first, second = Player(lambda n: after(1.0, done(n))), Player(lambda n: after(1.0, done(-n)))
    assert work(store, job, first, second) is Action.COMPLETE
    assert sorted(first.numbers) == sorted(second.numbers) == list(range(1, 8))
    assert [row.output for row in store.browse.rows(job.pk, 1, 2)] == [{"out": -1}, {"out": -2}]


def test_a_row_that_fails_is_tried_again_until_its_attempts_are_used(store: Store) -> None:
    def play(number: int) -> Outcome:
        return RetryLater("flaky", "Again.") if number == 2 else done(number)

    player = Player(play)
    job = job_of(store, 3)
    assert work(store, job, player) is Action.COMPLETE
    assert player.numbers.count(2) == 3
    row = store.browse.attempts(job.pk, store.browse.rows(job.pk, 2, 2)[0])
    assert (row.status, row.code) == (RowStatus.FAILED, "flaky")
    assert [attempt.number for attempt in row.attempts] == [1, 2, 3]


def test_a_call_begins_only_after_its_slot_is_committed(store: Store) -> None:
    job = job_of(store, 30)

    def play(number: int) -> Outcome:
        assert store.database.read("SELECT 1 FROM slots WHERE job = ? AND number = ?", (job.pk, number))
        return done(number)

    work(store, job, Player(play), latency=0.1)
    assert now(store, job).counts.succeeded == 30


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        (Settings(concurrency=1), [None]),
        (Settings(concurrency=1), ["key"]),
        (Settings(concurrency=1, rpm=600), ["key"]),
        (Settings(concurrency=1, tpm=600), ["key"]),
        (Settings(concurrency=1, rpm=600), ["first", "second"]),
    ],
    ids=["no limits", "a key", "rpm", "tpm", "two keys"],
)
def test_the_pump_does_not_spin_while_it_waits(
    store: Store, monkeypatch: pytest.MonkeyPatch, settings: Settings, keys: list[str | None]
) -> None:
    turns = 0
    gather = Runner._gather

    def counted(self: Runner, finished: Any) -> Batch:
        nonlocal turns
        turns += 1
        assert turns < 10_000, "it spins"
        return gather(self, finished)

    monkeypatch.setattr(Runner, "_gather", counted)
    players = [Player(lambda n: after(40.0, done(n)), key=key, weight=1) for key in keys]
    work(store, job_of(store, 1, settings, steps=len(keys)), *players, latency=0.001)
    assert turns / (40.0 * len(keys)) <= 25
