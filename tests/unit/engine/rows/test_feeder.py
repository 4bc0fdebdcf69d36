from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from rowmill.core.commit import Batch, Chunk, Claim, Due, Postponed, Start, Task
from rowmill.core.job import Job
from rowmill.engine.inputs import Inputs
from rowmill.engine.item import Item
from rowmill.engine.rows.feeder import Feeder
from rowmill.engine.rows.local import LocalBackend
from rowmill.ledger.store import Store
from rowmill.testing.simulation import EPOCH, SimulatedRuntime, simulate
from tests.support.engine import job_of


def feeding(store: Store, job: Job, test: Callable[[Feeder], Coroutine[Any, Any, None]]) -> None:
    """Runs ``test`` on a feeder that has claimed ``job``."""

    async def main(runtime: SimulatedRuntime) -> None:
        claim = store.ledger.claim(job.pk, store.join(), EPOCH)
        inputs = Inputs(store, store.datasets.get(job.dataset), job.steps, job.result_version)
        await test(Feeder(store, claim, job, inputs, LocalBackend(store, claim, runtime), runtime))

    simulate(main)


def put_off(store: Store, job: Job, dues: list[Due]) -> None:
    """Leaves rows put off, as an engine does that has since died."""
    engine = store.join()
    claim: Claim = store.ledger.claim(job.pk, engine, EPOCH)
    chunk = store.ledger.take_chunk(claim)
    assert chunk is not None
    started = max(due.task.number for due in dues)
    starts = [Start(slot, Task(slot + 1)) for slot in range(started)]
    store.ledger.commit(claim, Batch(starts=starts, chunks=[Chunk(started + 1, chunk.hi)]))
    store.ledger.commit(claim, Batch(postponed=[Postponed(due, None) for due in dues], freed=list(range(started))))
    store.presence.deregister(engine)


async def drain(feeder: Feeder, now: float = EPOCH, in_flight: int = 0) -> list[Item]:
    items = []
    while True:
        while item := feeder.peek(now, in_flight):
            feeder.take(item)
            items.append(item)
        if not feeder.needs_refill:
            return items
        await feeder.read_ahead()


def numbers(items: list[Item]) -> list[int]:
    return [item.task.number for item in items]


def test_hands_out_untouched_rows_in_order_with_their_values(store: Store) -> None:
    async def test(feeder: Feeder) -> None:
        assert feeder.peek(EPOCH, 0) is None
        items = await drain(feeder)
        assert numbers(items) == [1, 2, 3]
        assert [item.values for item in items] == [{"n": 1}, {"n": 2}, {"n": 3}]
        assert feeder.exhausted

    feeding(store, job_of(store, 3), test)


def test_crosses_pages(store: Store) -> None:
    async def test(feeder: Feeder) -> None:
        assert numbers(await drain(feeder)) == list(range(1, 2501))

    feeding(store, job_of(store, 2500), test)


def test_reads_ahead_while_rows_are_left(store: Store) -> None:
    async def test(feeder: Feeder) -> None:
        await feeder.read_ahead()
        assert not feeder.needs_refill
        item = feeder.peek(EPOCH, 0)
        assert item is not None
        feeder.take(item)
        assert feeder.needs_refill
        assert not feeder.exhausted

    feeding(store, job_of(store, 1500), test)


def test_a_selection_keeps_its_order_and_its_own_numbers(store: Store) -> None:
    async def test(feeder: Feeder) -> None:
        items = await drain(feeder)
        assert [(item.task.number, item.values["n"]) for item in items] == [(1, 2), (2, 3), (3, 9)]

    feeding(store, job_of(store, 10, selection=[(2, 3), (9, 9)]), test)


def test_touched_chunks_say_what_is_left_of_them_once(store: Store) -> None:
    async def test(feeder: Feeder) -> None:
        await feeder.read_ahead()
        for _ in range(2):
            item = feeder.peek(EPOCH, 0)
            assert item is not None
            feeder.take(item)
        assert feeder.touched() == [Chunk(3, 5)]
        assert feeder.touched() == []
        await drain(feeder)
        assert feeder.touched() == [Chunk(6, 5)]

    feeding(store, job_of(store, 5), test)


def test_rows_that_are_due_come_first_the_earliest_before_all(store: Store) -> None:
    async def test(feeder: Feeder) -> None:
        await feeder.read_ahead()
        for number, at in ((7, 5.0), (8, 3.0), (9, 99.0)):
            tried = Item(Task(number), {"n": number})
            feeder.put_off(Due(EPOCH + at, Task(number, deferred=True)), tried)
        assert feeder.next_due() == EPOCH + 3.0
        assert numbers(await drain(feeder, EPOCH + 10.0)) == [8, 7, 1, 2, 3]
        assert not feeder.exhausted
        assert numbers(await drain(feeder, EPOCH + 99.0)) == [9]
        assert feeder.exhausted
        assert feeder.next_due() is None

    feeding(store, job_of(store, 3), test)


def test_what_earlier_executions_put_off_comes_up_page_by_page_and_none_is_lost(store: Store) -> None:
    job = job_of(store, 1500)
    dues = [Due(EPOCH + number % 7, Task(number, attempts=1, deferred=True)) for number in range(1, 1201)]
    put_off(store, job, dues)

    async def test(feeder: Feeder) -> None:
        items = await drain(feeder, EPOCH + 10.0)
        assert sorted(numbers(items)) == list(range(1, 1501))
        assert [item.task.attempts for item in items].count(1) == 1200
        assert feeder.exhausted

    feeding(store, job, test)


def test_a_row_that_saw_two_crashes_runs_alone(store: Store) -> None:
    job = job_of(store, 3)
    put_off(store, job, [Due(EPOCH, Task(1, crashes=2, deferred=True))])

    async def test(feeder: Feeder) -> None:
        await feeder.read_ahead()
        assert feeder.peek(EPOCH, 1) is None
        item = feeder.peek(EPOCH, 0)
        assert item is not None
        assert item.task == replace(item.task, number=1, crashes=2)
        feeder.take(item)
        assert feeder.peek(EPOCH, 1) is None
        feeder.settled(1)
        assert numbers(await drain(feeder)) == [2, 3]

    feeding(store, job, test)
