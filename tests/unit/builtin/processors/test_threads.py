import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest

from rowmill.builtin.processors.threads import CallThreads
from tests.support.deadline import DEADLINE


def test_each_call_gets_its_own_result() -> None:
    async def scenario() -> list[Any]:
        threads = CallThreads(lambda number: number * 2)
        try:
            return await asyncio.gather(*[threads.call(number) for number in range(500)])
        finally:
            threads.close()

    assert asyncio.run(scenario()) == [number * 2 for number in range(500)]


def test_blocking_calls_run_side_by_side() -> None:
    everyone = threading.Barrier(20, timeout=DEADLINE)

    async def scenario() -> None:
        threads = CallThreads(lambda _: everyone.wait())
        await asyncio.gather(*[threads.call(None) for _ in range(20)])
        threads.close()

    asyncio.run(scenario())


def test_there_are_never_more_threads_than_calls() -> None:
    names: set[str] = set()

    async def scenario() -> None:
        threads = CallThreads(lambda _: names.add(threading.current_thread().name))
        for _ in range(500):
            await asyncio.gather(threads.call(None), threads.call(None))
        threads.close()

    asyncio.run(scenario())
    assert len(names) <= 2


def test_cancelled_calls_do_not_hold_the_others_up() -> None:
    release = threading.Event()
    ran: list[str] = []

    def work(name: str) -> str:
        ran.append(name)
        if name.startswith("stuck"):
            release.wait(DEADLINE)
        return name

    async def scenario() -> None:
        threads = CallThreads(work)
        stuck = [threads.call(f"stuck {number}") for number in range(8)]
        while len(ran) < 8:
            await threads.call("between")
            ran.remove("between")
        for call in stuck:
            call.cancel()
        assert await asyncio.wait_for(threads.call("after"), DEADLINE) == "after"
        release.set()
        assert await asyncio.wait_for(threads.call("at last"), DEADLINE) == "at last"
        threads.close()

    asyncio.run(scenario())


def test_a_call_cancelled_before_its_turn_never_runs() -> None:
    release = threading.Event()
    ran: list[str] = []

    def work(name: str) -> None:
        ran.append(name)
        release.wait(DEADLINE)

    async def scenario() -> None:
        threads = CallThreads(work)
        first = threads.call("first")
        threads.call("never").cancel()  # the one thread is busy, and the loop has had no turn to start another
        release.set()
        await first
        await threads.call("last")
        threads.close()

    asyncio.run(scenario())
    assert ran == ["first", "last"]


@pytest.mark.parametrize("error", [ValueError("x"), StopIteration(), SystemExit(1), KeyboardInterrupt()])
def test_a_function_that_raises_ends_its_call_and_not_its_thread(error: BaseException) -> None:
    def work(fails: bool) -> str:
        if fails:
            raise error
        return threading.current_thread().name

    async def scenario() -> None:
        threads = CallThreads(work)
        with pytest.raises(RuntimeError, match=f"^The call ended with {type(error).__name__}.$"):
            await asyncio.wait_for(threads.call(True), DEADLINE)
        assert await asyncio.wait_for(threads.call(False), DEADLINE) == "rowmill-call-1"
        threads.close()

    asyncio.run(scenario())


def test_a_function_that_hangs_does_not_keep_the_process_alive() -> None:
    script = """
import asyncio, threading
from rowmill.builtin.processors.threads import CallThreads
started = threading.Event()
def hang(_):
    started.set()
    threading.Event().wait()
async def main():
    CallThreads(hang).call(None)
    await asyncio.to_thread(started.wait)
asyncio.run(main())
print("left")
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "left\n", "")


def test_a_result_that_comes_after_the_loop_has_closed_is_dropped() -> None:
    release, ended = threading.Event(), threading.Event()
    errors: list[Any] = []

    def work(_: object) -> None:
        release.wait(DEADLINE)
        threading.Thread(target=see_off, args=(threading.current_thread(),)).start()

    def see_off(thread: threading.Thread) -> None:
        thread.join()
        ended.set()

    async def scenario() -> None:
        CallThreads(work).call(None)

    before, threading.excepthook = threading.excepthook, errors.append
    try:
        asyncio.run(scenario())
        release.set()
        assert ended.wait(DEADLINE)
    finally:
        threading.excepthook = before
    assert errors == []
