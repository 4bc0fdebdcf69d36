import asyncio
import time

import pytest

from rowmill.testing.simulation import EPOCH, Deadlock, SimulatedRuntime, simulate


def test_hours_pass_at_once() -> None:
    async def main(runtime: SimulatedRuntime) -> float:
        await runtime.sleep(36_000.0)
        return runtime.now()

    began = time.monotonic()
    assert simulate(main) == EPOCH + 36_000.0
    assert time.monotonic() - began < 360.0


def test_timeouts_run_on_virtual_time() -> None:
    async def main(runtime: SimulatedRuntime) -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60.0):
                await runtime.sleep(61.0)
        return runtime.now() - EPOCH

    assert simulate(main) == 60.0


def test_waiting_for_what_can_never_come_is_a_deadlock() -> None:
    async def main(_: SimulatedRuntime) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        simulate(main)


def test_what_is_saved_is_saved_one_after_the_other() -> None:
    written: list[int] = []

    async def main(runtime: SimulatedRuntime) -> None:
        await asyncio.gather(*(runtime.save(written.append, number) for number in range(20)))

    simulate(main, seed=3, latency=1.0)
    assert written == list(range(20))


def test_what_the_store_raises_arrives_where_it_is_awaited() -> None:
    def broken() -> None:
        raise OSError("broken")

    async def main(runtime: SimulatedRuntime) -> None:
        with pytest.raises(OSError, match="broken"):
            await runtime.load(broken)

    simulate(main)
