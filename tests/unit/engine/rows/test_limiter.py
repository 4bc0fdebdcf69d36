"""The limits of a connection, on virtual time: pace, gate, slow start, giving up."""

import asyncio
from collections.abc import Sequence

import pytest

from rowmill.core.job import Settings
from rowmill.core.outcome import Done, Failed, Outcome, RetryLater, Usage
from rowmill.engine.engine import Engine
from rowmill.engine.rows.limiter import GIVE_UP, KeyLimiter, Unlimited
from rowmill.ledger.store import Store
from rowmill.testing.simulation import EPOCH, SimulatedRuntime, simulate
from tests.support.engine import Player, after, done, job_of, work

REFUSED = RetryLater("rate_limited", "Wait.", gate=True)


def most_in(window: float, moments: Sequence[float]) -> int:
    """The most of ``moments`` that lie within any ``window`` seconds."""
    ordered = sorted(moments)
    return max(sum(start <= moment < start + window for moment in ordered) for start in ordered)


def limiter(store: Store) -> KeyLimiter:
    return KeyLimiter("key", store, SimulatedRuntime(1))


def test_the_unlimited_lets_everything_through_at_once() -> None:
    unlimited = Unlimited()
    assert unlimited.ready(0.0)
    assert unlimited.wake_at(0.0) is None
    assert not unlimited.needs_refill


@pytest.mark.slow
@pytest.mark.parametrize(("rpm", "seconds"), [(60, 0.1), (60, 30.0), (600, 0.5), (600, 7.0)])
def test_no_minute_holds_more_calls_than_rpm(store: Store, rpm: int, seconds: float) -> None:
    player = Player(lambda n: after(seconds if n % 10 else seconds * 3, done(n)), key="key")
    work(store, job_of(store, 3 * rpm if rpm < 600 else 900, Settings(concurrency=50, rpm=rpm)), player)
    moments = [at for at, _ in player.calls]
    assert most_in(60.0, moments) <= rpm


@pytest.mark.slow
def test_rpm_is_nearly_used_up(store: Store) -> None:
    player = Player(lambda n: after(0.5, done(n)), key="key")
    work(store, job_of(store, 900, Settings(concurrency=50, rpm=600)), player, latency=0.002)
    assert player.calls[-1][0] <= 95.0


def test_a_permit_that_lay_idle_makes_no_extra_call(store: Store) -> None:
    player = Player(lambda n: after(30.0 if n == 1 else 0.01, done(n)), key="key")
    work(store, job_of(store, 100, Settings(concurrency=1, rpm=60)), player)
    assert most_in(60.0, [at for at, _ in player.calls]) <= 60


def test_tokens_per_minute_hold(store: Store) -> None:
    player = Player(lambda n: after(0.1, Done({"out": n}, Usage(30, 20))), key="key", weight=50)
    work(store, job_of(store, 150, Settings(concurrency=10, tpm=3000)), player)
    assert most_in(60.0, [at for at, _ in player.calls]) <= 60
    assert player.calls[-1][0] <= 160.0


@pytest.mark.slow
def test_two_jobs_share_the_pace_of_their_key(store: Store) -> None:
    settings = Settings(concurrency=5, rpm=120)
    jobs = [job_of(store, 120, settings) for _ in range(2)]
    players = [Player(lambda n: after(0.1, done(n)), key="key") for _ in jobs]

    async def main(runtime: SimulatedRuntime) -> None:
        engines = [Engine(store, store.join(), runtime) for _ in jobs]
        runs = (engine.run(job, [player]) for engine, job, player in zip(engines, jobs, players, strict=True))
        await asyncio.gather(*runs)

    simulate(main)
    moments = [at for player in players for at, _ in player.calls]
    assert len(moments) == 240
    assert most_in(60.0, moments) <= 120


def test_a_refusal_closes_the_gate_until_the_moment_that_was_named(store: Store) -> None:
    gated = limiter(store)
    gated.begin()
    gated.end(RetryLater("rate_limited", "Wait.", after=30.0, gate=True), EPOCH)
    assert not gated.ready(EPOCH + 29.9)
    assert gated.wake_at(EPOCH + 1.0) == EPOCH + 30.0
    assert gated.ready(EPOCH + 30.0)


def test_a_gate_without_a_moment_backs_off_further_each_time(store: Store) -> None:
    gated = limiter(store)
    waits = []
    moment = EPOCH
    for _ in range(12):
        gated.begin()
        gated.end(REFUSED, moment)
        wake = gated.wake_at(moment)
        assert wake is not None
        waits.append(wake - moment)
        moment = wake
    assert all(0.5 <= wait <= 60.5 for wait in waits)
    assert max(waits[6:]) > 10.0 > max(waits[:3])


def test_refusals_of_calls_that_were_in_flight_together_count_once(store: Store) -> None:
    gated = limiter(store)
    for _ in range(20):
        gated.begin()
    for _ in range(20):
        gated.end(REFUSED, EPOCH)
    wake = gated.wake_at(EPOCH)
    assert wake is not None
    assert wake - EPOCH <= 1.5


def test_other_engines_learn_of_the_gate(store: Store) -> None:
    async def main(runtime: SimulatedRuntime) -> None:
        refused, other = (KeyLimiter("key", store, runtime) for _ in range(2))
        elsewhere = KeyLimiter("another key", store, runtime)
        refused.begin()
        refused.end(RetryLater("rate_limited", "Wait.", after=30.0, gate=True), EPOCH)
        for each in (refused, other, elsewhere):
            await each.refresh(0, 1)
        assert not other.ready(EPOCH + 29.0)
        assert elsewhere.ready(EPOCH)

    simulate(main)


def test_calls_grow_from_one_again_after_a_refusal(store: Store) -> None:
    gated = limiter(store)
    gated.begin()
    gated.end(RetryLater("rate_limited", "Wait.", after=1.0, gate=True), EPOCH)
    started = []
    for turn in range(6):
        flight = 0
        while gated.ready(EPOCH + 2.0 + turn) and flight < 100:
            gated.begin()
            flight += 1
        started.append(flight)
        for _ in range(flight):
            gated.end(Done({}), EPOCH + 2.0 + turn)
    assert started[:3] == [1, 2, 4]
    assert started[-1] == 100


def test_hold_closes_the_gate_without_a_refusal(store: Store) -> None:
    gated = limiter(store)
    gated.begin()
    gated.end(Done({}, hold=7.0), EPOCH)
    assert not gated.ready(EPOCH + 6.9)
    assert gated.ready(EPOCH + 7.0)
    gated.begin()
    assert gated.ready(EPOCH + 7.0)


def test_gives_up_after_fifteen_minutes_without_one_success(store: Store) -> None:
    gated = limiter(store)
    for moment in (0.0, GIVE_UP - 1.0):
        gated.begin()
        gated.end(REFUSED, EPOCH + moment)
        assert not gated.gave_up
    gated.begin()
    gated.end(REFUSED, EPOCH + GIVE_UP)
    assert gated.gave_up


@pytest.mark.parametrize("outcome", [Failed("bad", "Bad."), None])
def test_only_a_success_ends_the_fifteen_minutes(store: Store, outcome: Outcome | None) -> None:
    for between, gave_up in ((outcome, True), (Done({}), False)):
        gated = limiter(store)
        for moment, end in ((0.0, REFUSED), (500.0, between), (GIVE_UP, REFUSED)):
            gated.begin()
            gated.end(end, EPOCH + moment)
        assert gated.gave_up is gave_up


def test_a_new_pace_drops_what_was_reserved_at_the_old_one(store: Store) -> None:
    async def main(runtime: SimulatedRuntime) -> None:
        paced = KeyLimiter("key", store, runtime)
        paced.update_settings(60, None)
        assert not paced.ready(runtime.now())
        await paced.refresh(0, 1)
        assert paced.ready(runtime.now())
        paced.update_settings(30, None)
        assert not paced.ready(runtime.now())
        paced.update_settings(None, None)
        assert paced.ready(runtime.now())

    simulate(main)


def test_rows_wait_for_the_gate_of_their_own_key_only(store: Store) -> None:
    refusals = iter([RetryLater("rate_limited", "Wait.", after=20.0, gate=True)])

    def second(number: int) -> Outcome:
        return next(refusals, done(number))

    players = Player(done, key="first"), Player(second, key="second")
    work(store, job_of(store, 4, Settings(concurrency=1), steps=2), *players)
    assert players[1].calls[1][0] >= 20.0
