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

from rowmill.worker.main import WorkerOptions
from rowmill.worker.process import WorkerProcess
from tests.support.deadline import DEADLINE

MANY = 10_000
"""More notices than a socket holds unread."""


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWMILL_HOME", str(tmp_path))


@pytest.mark.parametrize("after_first_heartbeat", [False, True])
def test_a_worker_ends_when_its_server_is_gone(*, after_first_heartbeat: bool) -> None:
    server_end, worker_end = socket.socketpair()
    command = [sys.executable, "-m", "rowmill", "worker", "--server-socket", str(worker_end.fileno())]
    worker = subprocess.Popen(command, pass_fds=[worker_end.fileno()], stderr=subprocess.PIPE, text=True)
    worker_end.close()
    if after_first_heartbeat:
        server_end.recv(1, socket.MSG_PEEK)
    server_end.close()
    try:
        _, said = worker.communicate(timeout=DEADLINE)
    finally:
        worker.kill()
    assert worker.returncode == 0
    assert "worker stopped" in said
    assert "Traceback" not in said


def test_a_worker_that_cannot_be_started_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    class Scarce(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **more: object) -> None:
            nonlocal tries
            tries += 1
            if tries <= 2:
                raise BlockingIOError(11, os.strerror(11))
            super().__init__(*args, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", Scarce)
    worker = WorkerProcess(WorkerOptions(grace=0.0), restart_delay=0.01)
    worker.start()
    wait_until(lambda: worker.running)
    worker.end(60)
    assert (worker.is_alive(), worker.running, tries) == (False, False, 3)
    said = [(record.levelno, record.__dict__["delay"]) for record in caplog.records]
    assert said == [(logging.ERROR, 0.01), (logging.ERROR, 0.02)], "twice the delay each time"


def test_many_notices_do_not_keep_a_worker_from_stopping() -> None:
    worker = WorkerProcess(WorkerOptions(grace=0.0))
    worker.start()
    wait_until(lambda: worker.running)
    for _ in range(MANY):
        worker.notify()
    worker.stop()
    worker.join(60)
    assert not worker.is_alive()


def test_a_worker_that_was_never_started_can_be_stopped_in_every_way() -> None:
    worker = WorkerProcess(WorkerOptions())
    worker.notify()
    worker.stop()
    worker.abort()
    worker.kill()
    worker.end(0.0)
    assert not worker.running


def test_an_abort_does_not_wait_for_the_worker_to_have_started() -> None:
    worker = WorkerProcess(WorkerOptions(grace=3600.0))
    worker.start()
    worker.abort()
    worker.join(60)
    assert not worker.is_alive()


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
