import asyncio

from rowmill.engine.rows.slots import Slots
from rowmill.testing.simulation import simulate


def test_the_lowest_idle_slot_is_taken_again_before_a_new_one() -> None:
    slots = Slots()
    assert [slots.take() for _ in range(3)] == [0, 1, 2]
    slots.offer([2, 0])
    assert [slots.take() for _ in range(3)] == [0, 2, 3]


def test_keep_names_the_emptied_slots_that_were_not_taken_again() -> None:
    slots = Slots()
    for _ in range(3):
        slots.take()
    slots.offer([0, 2])
    slots.take()
    assert slots.keep([0, 2]) == [2]


def test_abort_cancels_what_is_in_flight() -> None:
    async def main(_: object) -> bool:
        slots = Slots()
        call = asyncio.create_task(asyncio.sleep(60))
        slots.begin(slots.take(), call)
        assert slots.in_flight == 1
        slots.abort()
        await asyncio.wait([call])
        slots.end(0)
        assert slots.calls == []
        return call.cancelled()

    assert simulate(main)
