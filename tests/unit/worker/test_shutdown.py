import os
import signal
import threading
from collections.abc import Iterator

import pytest

from rowmill.worker.shutdown import STOP_SIGNALS, call_after, handle_signals


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Leaves the handlers as they were."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_each_signal_goes_one_step_further_whichever_it_is() -> None:
    steps: list[str] = []
    handle_signals(lambda: steps.append("stop"), lambda: steps.append("abort"), lambda: steps.append("kill"))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        os.kill(os.getpid(), number)
    assert steps == ["stop", "abort", "kill", "kill"]


def test_a_closed_terminal_is_a_signal_too_but_not_under_nohup() -> None:
    steps: list[str] = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    handle_signals(lambda: steps.append("stop"), lambda: None, lambda: None)
    os.kill(os.getpid(), signal.SIGHUP)
    assert steps == []
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    handle_signals(lambda: steps.append("stop"), lambda: None, lambda: None)
    os.kill(os.getpid(), signal.SIGHUP)
    assert steps == ["stop"]


def test_a_call_is_made_after_its_time() -> None:
    called = threading.Event()
    call_after(0.001, called.set)
    assert called.wait(60)
