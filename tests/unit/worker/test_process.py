import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rowmill.worker import main as worker_main
from rowmill.worker import process as worker_process
from rowmill.worker.main import WorkerOptions
from rowmill.worker.process import WorkerProcess
from tests.support.deadline import DEADLINE

MANY = 10_000
"""More words than a socket holds unread."""


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWMILL_HOME", str(tmp_path))


@pytest.mark.parametrize("first_word_came", [False, True])
def test_a_worker_ends_whose_starter_is_gone_before_it_has_heard_of_it(*, first_word_came: bool) -> None:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", worker_main.__name__, str(theirs.fileno()), "{}"]
    worker = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True)
    theirs.close()
    if first_word_came:
        ours.recv(1, socket.MSG_PEEK)
    ours.close()
    try:
        _, said = worker.communicate(timeout=DEADLINE)
    finally:
        worker.kill()
    assert worker.returncode == 0
    assert "whoever started the worker is gone" in said
    assert "Traceback" not in said


def test_a_worker_that_cannot_be_started_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    class Scarce(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **more: object) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise BlockingIOError(11, os.strerror(11))
            super().__init__(*args, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", Scarce)
    monkeypatch.setattr(worker_process, "_RESTART", 0.01)
    worker = WorkerProcess(WorkerOptions(grace=0.0))
    worker.start()
    wait_until(lambda: worker.at_work)
    worker.end(60)
    assert (worker.is_alive(), worker.at_work, tries) == (False, False, 2)
    assert [record.levelno for record in caplog.records if "tried again" in record.message] == [logging.ERROR]


def test_notices_to_a_worker_that_starts_leave_room_for_the_word_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    worker = WorkerProcess(WorkerOptions())
    monkeypatch.setattr(worker, "_channel", ours)
    with ours, theirs:
        for _ in range(MANY):
            worker.notify()
        worker.stop()
        assert theirs.recv(MANY) == b"s"


def test_a_signal_may_stop_it_at_any_moment_while_it_is_being_stopped() -> None:
    worker = WorkerProcess(WorkerOptions())
    asked = 0

    def stop(*_: object) -> None:
        nonlocal asked
        asked += 1
        worker.stop()

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while asked < 200:
            worker.stop()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert asked >= 200
