from dataclasses import replace

from rowmill.core.commit import Task
from rowmill.core.job import Settings
from rowmill.core.messages import Message
from rowmill.core.money import Price
from rowmill.core.outcome import Done, RetryLater, Usage
from rowmill.core.status import Action, PauseReason
from rowmill.engine.item import Item
from rowmill.engine.rows.gatekeeper import Gatekeeper
from rowmill.ledger.store import Store
from rowmill.testing.simulation import EPOCH, SimulatedRuntime, simulate
from tests.support.engine import Player, done, job_of

PRICE = Price(1_000_000, 1_000_000)


def gatekeeper(store: Store, settings: Settings, *players: Player) -> Gatekeeper:
    job = job_of(store, 10, settings, steps=len(players), price=PRICE)
    claim = store.ledger.claim(job.pk, store.join(), EPOCH)
    return Gatekeeper(players, job, claim, store, SimulatedRuntime(1))


def item(number: int = 1, step: int = 0) -> Item:
    return Item(Task(number, step), {"n": number})


def test_the_least_of_all_bounds_is_the_concurrency(store: Store) -> None:
    gate = gatekeeper(store, Settings(concurrency=8), Player(done, most=6), Player(done))
    assert gate.concurrency == 6
    gate.update_settings(Settings(concurrency=4))
    assert gate.concurrency == 4


def test_without_limits_everything_passes(store: Store) -> None:
    gate = gatekeeper(store, Settings(), Player(done))
    assert gate.admits(item(), EPOCH, 4)
    assert gate.wake_at(EPOCH) is None
    assert not gate.needs_refill


def test_a_row_waits_for_its_budget_until_the_calls_in_flight_are_paid(store: Store) -> None:
    async def main(_: SimulatedRuntime) -> None:
        gate = gatekeeper(store, Settings(budget=25), Player(done, weight=10))
        assert gate.admits(item(1), EPOCH, 0)
        gate.begin(item(1))
        assert not gate.admits(item(2), EPOCH, 1)
        gate.end(item(1), Done({}, Usage(5, 5)))
        assert gate.admits(item(2), EPOCH, 0)
        gate.begin(item(2))
        assert not gate.admits(item(3), EPOCH, 1)
        assert gate.stop is None
        gate.end(item(2), Done({}, Usage(5, 5)))
        assert not gate.admits(item(3), EPOCH, 0)
        assert gate.stop
        assert gate.stop.error
        assert (gate.stop.action, gate.stop.reason) == (Action.PAUSE, PauseReason.BUDGET)
        assert (gate.stop.error.code, gate.stop.error.reason) == ("budget", Message.BUDGET_REACHED.name)

    simulate(main)


def test_a_pace_is_reserved_for_the_row_that_waits(store: Store) -> None:
    async def main(runtime: SimulatedRuntime) -> None:
        gate = gatekeeper(store, Settings(concurrency=2, rpm=60), Player(done, key="key"))
        assert not gate.admits(item(), runtime.now(), 0)
        assert gate.needs_refill
        await gate.refresh()
        assert gate.admits(item(), runtime.now(), 0)
        gate.begin(item())
        assert not gate.admits(item(2), runtime.now(), 1)
        await gate.refresh()
        assert not gate.admits(item(2), runtime.now(), 1)
        wake = gate.wake_at(runtime.now())
        assert wake is not None
        assert 1.0 <= wake - runtime.now() <= 1.1

    simulate(main)


def test_a_key_that_no_row_waits_for_asks_for_nothing(store: Store) -> None:
    async def main(runtime: SimulatedRuntime) -> None:
        gate = gatekeeper(store, Settings(rpm=60), Player(done, key="first"), Player(done, key="second"))
        assert not gate.needs_refill
        assert not gate.admits(item(), runtime.now(), 0)
        await gate.refresh()
        assert not gate.needs_refill

    simulate(main)


def test_a_refusal_is_told_at_once_and_only_to_its_own_key(store: Store) -> None:
    async def main(runtime: SimulatedRuntime) -> None:
        gate = gatekeeper(store, Settings(), Player(done, key="first"), Player(done, key="second"))
        gate.begin(item())
        gate.end(item(), RetryLater("rate_limited", "Wait.", after=9.0, gate=True))
        assert gate.needs_refill
        assert not gate.admits(item(), runtime.now(), 0)
        assert gate.wake_at(runtime.now()) == runtime.now() + 9.0
        assert gate.admits(item(2, step=1), runtime.now(), 0)

    simulate(main)


def test_a_steered_budget_counts_at_once(store: Store) -> None:
    async def main(_: SimulatedRuntime) -> None:
        gate = gatekeeper(store, Settings(), Player(done, weight=10))
        gate.begin(item())
        gate.end(item(), Done({}, Usage(5, 5)))
        assert gate.admits(item(2), EPOCH, 0)
        gate.update_settings(replace(Settings(), budget=19))
        assert not gate.admits(item(2), EPOCH, 1)

    simulate(main)


def test_a_budget_that_is_raised_before_the_pause_is_obeyed_takes_it_back(store: Store) -> None:
    async def main(_: SimulatedRuntime) -> None:
        gate = gatekeeper(store, Settings(budget=10), Player(done))
        gate.begin(item(1))
        gate.end(item(1), Done({}, Usage(5, 5)))
        assert not gate.admits(item(2), EPOCH, 0)
        assert gate.stop
        gate.update_settings(Settings(budget=10))
        assert gate.stop
        gate.update_settings(Settings(budget=20))
        assert gate.stop is None
        assert gate.admits(item(2), EPOCH, 0)

    simulate(main)
