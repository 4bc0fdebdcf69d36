"""Whatever ends an execution: requests, fatal errors, spikes, a failing store, a successor."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rowmill.core.errors import ClaimLost, IllegalTransition, StoreError
from rowmill.core.job import Settings
from rowmill.core.messages import Message
from rowmill.core.money import Price
from rowmill.core.outcome import Done, Failed, Outcome, RetryLater, StopJob, Usage
from rowmill.core.status import Action, JobStatus, PauseReason
from rowmill.engine.engine import Engine
from rowmill.ledger.store import Store
from rowmill.testing.simulation import EPOCH
from tests.support.engine import Player, after, done, job_of, now, requested_action, work


def failing(function: Callable[..., Any], *turns: int) -> Callable[..., Any]:
    """``function``, which finds the disk full at its calls number ``turns``."""
    calls = 0

    def fail(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in turns:
            raise StoreError("The disk is full.", "Free some.")
        return function(*args)

    return fail


def places(store: Store, table: str) -> list[int]:
    return [number for (number,) in store.database.read(f"SELECT number FROM {table} ORDER BY number")]


def test_pause_lets_what_is_in_flight_end(store: Store) -> None:
    player = Player(lambda n: after(3.0, done(n)))
    job = job_of(store, 30)
    assert work(store, job, player, beside=requested_action(store, "pause", job, 1.0)) is Action.PAUSE
    ended = now(store, job)
    assert (ended.status, ended.pause_reason) == (JobStatus.PAUSED, PauseReason.USER)
    assert ended.counts.succeeded == len(player.calls) == 5
    assert ended.uncertain == 0


def test_a_pause_that_is_taken_back_in_time_stops_nothing(store: Store) -> None:
    player = Player(lambda n: after(3.0, done(n)))
    job = job_of(store, 10)

    async def hesitate(engine: Engine) -> None:
        await requested_action(store, "pause", job, 1.0)(engine)
        await requested_action(store, "resume", job, 1.0)(engine)

    assert work(store, job, player, beside=hesitate) is Action.COMPLETE
    assert max(at for at, _ in player.calls) < 3.5


def test_a_last_row_settled_while_pausing_completes_the_job(store: Store) -> None:
    job = job_of(store, 3)
    action = work(store, job, Player(lambda n: after(3.0, done(n))), beside=requested_action(store, "pause", job, 1.0))
    assert (action, now(store, job).status) == (Action.COMPLETE, JobStatus.COMPLETED)


def test_cancel_aborts_what_is_in_flight_and_keeps_what_had_come_in(store: Store) -> None:
    player = Player(lambda n: after(0.5 if n < 3 else 50.0, done(n)))
    job = job_of(store, 30)
    assert work(store, job, player, beside=requested_action(store, "cancel", job, 1.0)) is Action.CANCEL
    ended = now(store, job)
    assert (ended.status, ended.counts.succeeded, ended.uncertain) == (JobStatus.CANCELLED, 2, 5)
    assert not player.in_flight
    assert places(store, "slots") == []


def test_cancel_that_comes_with_the_commit_of_a_start_still_ends_the_job(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(store, 3)
    commit = store.ledger.commit

    def cancelling(*args: Any) -> Any:
        monkeypatch.undo()
        store.control.cancel(job.pk, EPOCH)
        return commit(*args)

    monkeypatch.setattr(store.ledger, "commit", cancelling)
    assert work(store, job, Player(lambda n: after(50.0, done(n))), patience=100.0) is Action.CANCEL


def test_a_call_is_cancelled_once_so_that_it_can_clean_up(store: Store) -> None:
    cleaned: list[int] = []

    async def careful(number: int) -> Outcome:
        try:
            await asyncio.sleep(50.0)
        finally:
            await asyncio.sleep(1.0)
            cleaned.append(number)
        return done(number)

    job = job_of(store, 2)
    work(store, job, Player(careful), beside=requested_action(store, "cancel", job, 1.0))
    assert sorted(cleaned) == [1, 2]


@pytest.mark.parametrize("seed", range(8))
def test_abort_pauses_at_once_also_what_is_just_being_started(store: Store, seed: int) -> None:
    player = Player(lambda n: after(50.0, done(n)))

    async def impatient(engine: Engine) -> None:
        while not store.database.read("SELECT 1 FROM slots"):
            await asyncio.sleep(0.01)
        engine.abort()

    assert (
        work(store, job_of(store, 9), player, beside=impatient, latency=0.5, seed=seed, patience=10.0) is Action.PAUSE
    )
    assert not player.in_flight
    assert places(store, "slots") == []


def test_release_leaves_the_rest_to_another_engine(store: Store) -> None:
    job = job_of(store, 20)

    async def release(engine: Engine) -> None:
        await asyncio.sleep(1.5)
        engine.release()

    assert work(store, job, Player(lambda n: after(1.0, done(n))), beside=release) is Action.RELEASE
    assert now(store, job).status is JobStatus.PENDING
    assert now(store, job).counts.succeeded == 10
    assert work(store, job, Player(done)) is Action.COMPLETE


@pytest.mark.parametrize("seed", range(4))
def test_release_at_once_aborts_what_is_in_flight_and_leaves_the_job_pending(store: Store, seed: int) -> None:
    job = job_of(store, 20)
    player = Player(lambda n: after(0.5 if n <= 5 else 50.0, done(n)))

    async def release(engine: Engine) -> None:
        await asyncio.sleep(10.0)
        engine.release()
        await asyncio.sleep(5.0)
        assert player.in_flight == {6, 7, 8, 9, 10}
        engine.release(at_once=True)

    assert work(store, job, player, beside=release, seed=seed, latency=0.5, patience=30.0) is Action.RELEASE
    released = now(store, job)
    assert (released.status, released.counts.succeeded, released.uncertain) == (JobStatus.PENDING, 5, 5)
    assert places(store, "slots") == []
    assert work(store, job, Player(done)) is Action.COMPLETE


def test_release_at_once_does_not_wait_for_a_call_that_swallows_its_cancellation(store: Store) -> None:
    async def stubborn(number: int) -> Outcome:
        while True:
            try:
                await asyncio.sleep(1000.0)
            except asyncio.CancelledError:
                continue

    async def release(engine: Engine) -> None:
        await asyncio.sleep(1.0)
        engine.release(at_once=True)

    job = job_of(store, 2)
    assert work(store, job, Player(stubborn), beside=release, patience=8.0) is Action.RELEASE
    assert now(store, job).uncertain == 2


def test_a_last_row_settled_while_releasing_completes_the_job(store: Store) -> None:
    job = job_of(store, 3)

    async def release(engine: Engine) -> None:
        await asyncio.sleep(1.0)
        engine.release()

    assert work(store, job, Player(lambda n: after(3.0, done(n))), beside=release) is Action.COMPLETE


@pytest.mark.parametrize(("requested", "status"), [("pause", JobStatus.PAUSED), ("cancel", JobStatus.CANCELLED)])
def test_a_request_that_comes_with_the_release_is_not_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch, requested: str, status: JobStatus
) -> None:
    job = job_of(store, 20)
    finish = store.ledger.finish

    def just_before(*args: Any, **named: Any) -> bool:
        monkeypatch.undo()
        getattr(store.control, requested)(job.pk, EPOCH)
        return finish(*args, **named)

    async def release(engine: Engine) -> None:
        await asyncio.sleep(1.5)
        engine.release()

    monkeypatch.setattr(store.ledger, "finish", just_before)
    work(store, job, Player(lambda n: after(1.0, done(n))), beside=release)
    assert now(store, job).status is status


def test_a_cancel_that_comes_with_the_engines_own_pause_is_not_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(store, 20)
    finish = store.ledger.finish

    def just_before(*args: Any, **named: Any) -> bool:
        monkeypatch.undo()
        store.control.cancel(job.pk, EPOCH)
        return finish(*args, **named)

    monkeypatch.setattr(store.ledger, "finish", just_before)
    assert work(store, job, Player(lambda n: StopJob("key_refused", "No."))) is Action.CANCEL
    assert now(store, job).status is JobStatus.CANCELLED


def test_what_would_fail_every_row_fails_the_job_and_burns_none(store: Store) -> None:
    player = Player(lambda n: StopJob("key_refused", "The key was refused.", "Set it."))
    job = job_of(store, 30)
    assert work(store, job, player) is Action.FAIL
    ended = now(store, job)
    assert ended.status is JobStatus.FAILED
    assert ended.error is not None
    assert (ended.error.code, ended.error.hint) == ("key_refused", "Set it.")
    assert (ended.counts.processed, len(player.calls)) == (0, 5)
    assert store.database.read("SELECT count(*) FROM attempts") == [(0,)]
    store.control.resume(job.pk, EPOCH)
    assert work(store, job, Player(done)) is Action.COMPLETE


@pytest.mark.parametrize(("rows", "settled"), [(200, 0), (20, 0), (51, 0)])
def test_a_failure_spike_pauses_and_reopens_its_streak(store: Store, rows: int, settled: int) -> None:
    player = Player(lambda n: after(1.0, Failed("bad", "This row is bad.")))
    job = job_of(store, rows)
    assert work(store, job, player) is Action.PAUSE
    ended = now(store, job)
    assert ended.pause_reason is PauseReason.FAILURE_SPIKE
    assert ended.counts.failed == settled
    assert len(player.calls) <= min(rows, 55)

    store.control.resume(job.pk, EPOCH)
    assert work(store, job, player) is Action.COMPLETE
    assert now(store, job).counts.failed == rows


def test_a_spike_of_rows_that_reach_nobody_says_network_and_is_tolerated_by_its_own_code(store: Store) -> None:
    job = job_of(store, 3, Settings(concurrency=1, max_attempts=1))
    player = Player(lambda n: RetryLater("connection", "Nobody answered."))
    assert work(store, job, player) is Action.PAUSE
    ended = now(store, job)
    assert ended.error
    assert (ended.pause_reason, ended.error.code, ended.tolerated) == ("failure_spike", "network", "connection")
    store.control.resume(job.pk, EPOCH)
    assert work(store, job, player) is Action.COMPLETE
    assert now(store, job).counts.failed == 3


def test_one_success_breaks_the_streak(store: Store) -> None:
    job = job_of(store, 120, Settings(concurrency=1))
    assert work(store, job, Player(lambda n: done(n) if n % 40 == 0 else Failed("bad", "Bad."))) is Action.COMPLETE


def test_the_budget_is_overshot_by_no_more_than_what_is_in_flight(store: Store) -> None:
    player = Player(lambda n: after(1.0, Done({"out": n}, Usage(10, 10))), weight=10)
    job = job_of(store, 100, Settings(concurrency=4, budget=300), price=Price(1_000_000, 1_000_000))
    assert work(store, job, player) is Action.PAUSE
    ended = now(store, job)
    assert ended.pause_reason is PauseReason.BUDGET
    assert ended.error
    assert (ended.error.code, ended.error.parameters["job"]) == ("budget", ended.id)
    assert 280 <= ended.cost <= 300
    store.control.resume(job.pk, EPOCH)
    assert work(store, job, player) is Action.PAUSE
    assert now(store, job).cost == ended.cost


def test_fifteen_minutes_without_one_success_pause_the_job(store: Store) -> None:
    player = Player(lambda n: RetryLater("rate_limited", "Wait.", after=60.0, gate=True), key="key")
    job = job_of(store, 10)
    assert work(store, job, player) is Action.PAUSE
    ended = now(store, job)
    assert ended.pause_reason is PauseReason.RATE_LIMIT
    assert ended.error
    assert (ended.error.code, ended.error.reason) == ("rate_limit", Message.RATE_LIMIT_REACHED.name)
    assert 900.0 <= player.calls[-1][0] <= 961.0
    assert ended.counts.processed == 0
    assert store.database.read("SELECT max(attempts) FROM deferred") == [(0,)]


def test_refusals_without_a_shared_limit_are_not_asked_again_at_once(store: Store) -> None:
    def play(number: int) -> Outcome:
        return RetryLater("busy", "Wait.", after=10.0, gate=True) if len(player.calls) < 4 else done(number)

    player = Player(play, key=None)
    work(store, job_of(store, 1), player)
    assert player.calls[-1][0] >= 30.0


def test_a_failing_commit_is_followed_by_one_that_saves_what_was_in_flight(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.ledger, "commit", failing(store.ledger.commit, 3))
    player = Player(lambda n: after(1.0 if n == 1 else 5.0, done(n)))
    job = job_of(store, 30)
    assert work(store, job, player) is Action.FAIL
    ended = now(store, job)
    assert ended.error is not None
    assert ended.error.code == "store"
    assert ended.counts.succeeded == len(player.calls)
    assert places(store, "slots") == []
    store.control.resume(job.pk, EPOCH)
    assert work(store, job, player) is Action.COMPLETE
    assert sorted(player.numbers) == list(range(1, 31))


def test_failures_that_are_settled_twice_because_the_store_failed_are_no_longer_streak(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.ledger, "commit", failing(store.ledger.commit, 2))
    job = job_of(store, 4, Settings(concurrency=2))
    assert work(store, job, Player(lambda n: Failed("bad", "Bad."))) is Action.FAIL
    assert now(store, job).counts.failed == 2


def test_a_store_that_fails_twice_ends_the_engine(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.ledger, "commit", failing(store.ledger.commit, 2, 3))
    with pytest.raises(StoreError):
        work(store, job_of(store, 30), Player(lambda n: after(1.0, done(n))))


def test_a_checkpoint_that_fails_undoes_no_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    player = Player(lambda n: after(1.0, done(n)))
    job = job_of(store, 12)
    monkeypatch.setattr(store.maintenance, "maintain", failing(store.maintenance.maintain, 2))
    while now(store, job).status is not JobStatus.COMPLETED:
        work(store, job, player)
        if now(store, job).status is JobStatus.FAILED:
            store.control.resume(job.pk, EPOCH)
    assert sorted(player.numbers) == list(range(1, 13))
    assert places(store, "outcomes") == list(range(1, 13))


@pytest.mark.parametrize(("action", "turn"), [("mark", 1), ("poll_control", 2)])
def test_a_store_that_fails_beside_the_pump_loses_no_call_in_flight(
    store: Store, monkeypatch: pytest.MonkeyPatch, action: str, turn: int
) -> None:
    monkeypatch.setattr(store.ledger, action, failing(getattr(store.ledger, action), turn))
    player = Player(lambda n: after(15.0, done(n)))
    job = job_of(store, 30)
    assert work(store, job, player) is Action.FAIL
    ended = now(store, job)
    assert ended.counts.succeeded == len(player.calls) > 0
    assert ended.uncertain == 0


def test_a_store_that_fails_at_the_first_look_fails_the_job(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.ledger, "poll_control", failing(store.ledger.poll_control, 1))
    player = Player(done)
    job = job_of(store, 30)
    assert work(store, job, player) is Action.FAIL
    error = now(store, job).error
    assert error
    assert (error.code, player.calls) == ("store", [])


def test_a_predecessor_that_was_presumed_dead_writes_nothing(store: Store) -> None:
    player = Player(lambda n: after(3.0, done(n)))
    job = job_of(store, 10)

    with pytest.raises(ClaimLost):
        work(store, job, player, beside=requested_action(store, "take_over", job, 1.0))
    taken = now(store, job)
    assert (taken.counts.succeeded, taken.uncertain) == (0, 5)
    assert work(store, job, player) is Action.COMPLETE
    assert now(store, job).counts.succeeded == 10


@pytest.mark.parametrize(("requested", "status"), [("pause", JobStatus.PAUSED), ("cancel", JobStatus.CANCELLED)])
def test_a_request_that_a_dead_engine_did_not_obey_takes_effect(
    store: Store, requested: str, status: JobStatus
) -> None:
    job = job_of(store, 3)
    engine = store.join()
    store.ledger.claim(job.pk, engine, EPOCH)
    getattr(store.control, requested)(job.pk, EPOCH)
    store.presence.deregister(engine)
    with pytest.raises(IllegalTransition):
        work(store, job, Player(done))
    assert now(store, job).status is status


def test_a_step_that_succeeded_is_not_paid_for_again_when_its_row_is_retried(store: Store) -> None:
    first, second = Player(done), Player(lambda n: Failed("bad", "Bad.") if n == 2 else done(n))
    job = job_of(store, 3, steps=2)
    work(store, job, first, second)
    store.control.retry(job.pk, EPOCH)
    work(store, job, first, Player(done))
    assert sorted(first.numbers) == [1, 2, 3]
