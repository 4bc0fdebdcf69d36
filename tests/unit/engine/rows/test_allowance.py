"""The month's usage limits, in the engine: nothing beyond them, nothing asked without them."""

import asyncio
from collections.abc import Callable

import pytest

from rowmill.core.job import Job, Settings
from rowmill.core.money import Price
from rowmill.core.outcome import Done, Failed, Usage
from rowmill.core.status import Action, JobStatus, PauseReason
from rowmill.core.usage import UsageLimits, Used
from rowmill.engine.engine import Engine
from rowmill.ledger.store import Store
from rowmill.testing.simulation import EPOCH, SimulatedRuntime, simulate
from tests.support.engine import Player, after, done, job_of, now, work

PRICE = Price(1_000_000, 1_000_000)
CALL = Usage(10, 10)
"""Twenty nano-dollars at that price."""


@pytest.fixture
def limit(store: Store) -> Callable[..., None]:
    def limit(rows: int | None = None, cost: int | None = None) -> None:
        store.usage.set_limits({"rows_per_month": rows, "cost_per_month": cost})

    return limit


def used(store: Store) -> Used:
    return store.usage.month(EPOCH)


def paused(store: Store, job: Job) -> str:
    """The message with which ``job`` has been paused by a usage limit."""
    ended = now(store, job)
    assert (ended.status, ended.pause_reason, ended.running) == (JobStatus.PAUSED, PauseReason.USAGE_LIMIT, 0)
    assert ended.error
    assert ended.error.code == "usage_limit"
    return ended.error.message


def test_without_a_limit_nothing_is_asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.allowances, "lease", None)
    assert work(store, job_of(store, 50), Player(done)) is Action.COMPLETE
    assert used(store) == Used(50, 50)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 70.0])
def test_as_many_rows_are_worked_as_the_limit_says_and_no_more(
    store: Store, limit: Callable[..., None], seconds: float
) -> None:
    limit(rows=37)
    player = Player(lambda n: after(seconds, done(n)))
    job = job_of(store, 100, Settings(concurrency=8, timeout=100.0))
    assert work(store, job, player, latency=0.01) is Action.PAUSE
    assert paused(store, job) == "The limit of 37 rows a month is reached."
    assert len(player.calls) == used(store).rows == 37
    limit()
    store.control.resume(job.pk, EPOCH)
    assert work(store, job, player) is Action.COMPLETE
    assert sorted(player.numbers) == list(range(1, 101))


def test_at_full_speed_it_is_asked_now_and_then_only(
    store: Store, limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(rows=100_000)
    lease, asked = store.allowances.lease, []
    monkeypatch.setattr(store.allowances, "lease", lambda *args: asked.append(args) or lease(*args))  # type: ignore[func-returns-value]
    assert work(store, job_of(store, 2000, Settings(concurrency=50)), Player(done)) is Action.COMPLETE
    assert 1 <= len(asked) <= 20


def test_engines_at_once_stay_within_the_limit_together(store: Store, limit: Callable[..., None]) -> None:
    limit(rows=60)
    jobs = [job_of(store, 50, Settings(concurrency=c)) for c in (3, 20, 7)]
    players = [Player(lambda n, s=s: after(s, done(n))) for s in (0.4, 0.0, 0.1)]  # type: ignore[misc]

    async def main(runtime: SimulatedRuntime) -> list[Action]:
        engines = [Engine(store, store.join(), runtime) for _ in jobs]
        works = [engine.run(job, [player]) for engine, job, player in zip(engines, jobs, players, strict=True)]
        return await asyncio.gather(*works)

    actions = simulate(main, latency=0.02)
    assert used(store).rows == sum(len(player.calls) for player in players) == 60
    assert Action.PAUSE in actions
    for job, action in zip(jobs, actions, strict=True):
        if action is Action.PAUSE:
            paused(store, job)


def test_a_limit_that_is_set_while_a_job_runs_counts_at_once(store: Store, limit: Callable[..., None]) -> None:
    async def set_it(_: Engine) -> None:
        await asyncio.sleep(10.5)
        limit(rows=45)

    player = Player(lambda n: after(1.0, done(n)))
    job = job_of(store, 200, Settings(concurrency=4))
    assert work(store, job, player, beside=set_it) is Action.PAUSE
    assert used(store).rows == len(player.calls) == 45


def test_a_limit_that_is_lowered_lets_what_is_in_flight_end_and_no_more(
    store: Store, limit: Callable[..., None]
) -> None:
    async def lower_it(_: Engine) -> None:
        await asyncio.sleep(10.5)
        limit(rows=5)

    limit(rows=1000)
    player = Player(lambda n: after(1.0, done(n)))
    job = job_of(store, 200, Settings(concurrency=4))
    assert work(store, job, player, beside=lower_it) is Action.PAUSE
    assert 40 <= used(store).rows <= 44
    assert max(at for at, _ in player.calls) <= 11.0


def test_a_limit_that_is_raised_in_time_stops_nothing(store: Store, limit: Callable[..., None]) -> None:
    async def raise_it(_: Engine) -> None:
        await asyncio.sleep(1.5)
        limit(rows=100)

    limit(rows=8)
    player = Player(lambda n: after(1.0, done(n)))
    assert work(store, job_of(store, 30, Settings(concurrency=4)), player, beside=raise_it) is Action.COMPLETE


def test_rows_that_fail_for_now_count_when_they_are_settled(store: Store, limit: Callable[..., None]) -> None:
    limit(rows=10)
    player = Player(lambda n: done(n) if n % 2 else Failed("bad", "Bad."))
    job = job_of(store, 30, Settings(concurrency=1))
    assert work(store, job, player) is Action.PAUSE
    assert (used(store).rows, now(store, job).counts.failed) == (10, 5)


def test_what_is_held_for_a_row_that_cannot_start_goes_back_to_others(store: Store, limit: Callable[..., None]) -> None:
    limit(rows=20)
    gated = Player(done, key="key")
    store.limits.close_gate("key", EPOCH + 600.0)
    mine, theirs = job_of(store, 30, Settings(concurrency=20)), job_of(store, 20, Settings(concurrency=2))
    quick = Player(lambda n: after(0.1, done(n)))

    async def main(runtime: SimulatedRuntime) -> list[Action]:
        engines = [Engine(store, store.join(), runtime) for _ in range(2)]
        return [*await asyncio.gather(engines[0].run(mine, [gated]), engines[1].run(theirs, [quick]))]

    assert simulate(main) == [Action.PAUSE, Action.COMPLETE]
    assert (gated.calls, len(quick.calls)) == ([], 20)


def test_dollars_are_overshot_by_no_more_than_what_is_in_flight(store: Store, limit: Callable[..., None]) -> None:
    limit(cost=310)
    player = Player(lambda n: after(1.0, Done({"out": n}, CALL)))
    job = job_of(store, 100, Settings(concurrency=4), price=PRICE)
    assert work(store, job, player) is Action.PAUSE
    assert paused(store, job).endswith(" a month is reached.")
    assert now(store, job).cost == used(store).cost == 300


def test_a_first_call_of_unknown_cost_runs_alone_beside_a_limit_in_dollars(
    store: Store, limit: Callable[..., None]
) -> None:
    limit(cost=5)
    player = Player(lambda n: after(1.0, Done({"out": n}, CALL)))
    job = job_of(store, 100, Settings(concurrency=4), price=PRICE)
    assert work(store, job, player) is Action.PAUSE
    assert (player.peak, used(store).cost) == (1, 20)


def test_a_limit_in_dollars_counts_what_is_known(store: Store, limit: Callable[..., None]) -> None:
    limit(cost=0)
    assert work(store, job_of(store, 30), Player(lambda n: Done({"out": n}, CALL))) is Action.COMPLETE
    assert used(store) == Used(30, 30, 300, 300, 0)
    assert work(store, job_of(store, 30, price=Price(0, 0)), Player(done)) is Action.COMPLETE
    assert store.usage.limits() == UsageLimits(cost=0)
