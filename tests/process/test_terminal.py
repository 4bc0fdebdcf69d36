"""On a terminal a live display and Ctrl-C as typed; off a terminal plain lines."""

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rowmill.testing import ModelServer
from tests.support.deadline import DEADLINE

from .harness import PROGRAM, Rowmill, assert_done, run_words, wait_until

pytestmark = pytest.mark.xdist_group("process-terminal")

# The terminal becomes the one that controls the program, so that what is typed there reaches it as a signal; also where
# the tests themselves run in the background, which leaves SIGINT ignored.
ATTACHED = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
CTRL_C = b"\x03"
ESCAPE = "\x1b["


class Terminal:
    """The program on a terminal, and all that it has shown there."""

    def __init__(self, rowmill: Rowmill, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self._popen = subprocess.Popen(
            [sys.executable, "-c", ATTACHED, PROGRAM, *arguments],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, cwd=rowmill.place,
            env={**rowmill.env, "TERM": "xterm", "COLUMNS": "120"},
        )  # fmt: skip
        os.close(slave)
        self.shown = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.shown, repr(text))

    def end(self) -> int:
        code = self._popen.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    def close(self) -> None:
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGKILL)
        self.end()
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                block = os.read(self._master, 4096)
            except OSError:  # Linux says EIO when the other side is closed
                return
            if not block:
                return
            self.shown += block.decode(errors="replace")


@contextmanager
def _terminal(rowmill: Rowmill, *arguments: str) -> Iterator[Terminal]:
    terminal = Terminal(rowmill, *arguments)
    try:
        yield terminal
    finally:
        terminal.close()


def test_a_live_display_and_ctrl_c_as_typed(rowmill: Rowmill) -> None:
    rows = 100
    rowmill.table(rows)
    with ModelServer(latency=0.4) as server, _terminal(rowmill, *run_words(server)) as terminal:
        terminal.wait_for(f"of {rows} rows")
        server.wait_for(10)
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        assert ESCAPE in terminal.shown
        job = rowmill.show()
        assert f"Go on with: rowmill resume {job['id']}" in terminal.shown
        assert "Pausing" in terminal.shown
        assert "Traceback" not in terminal.shown
        assert (job["status"], job["succeeded"], job["uncertain"]) == ("paused", server.total, 0)


def test_watching_ends_by_ctrl_c_and_the_job_goes_on(rowmill: Rowmill) -> None:
    rows = 40
    rowmill.table(rows)
    with ModelServer(latency=0.3) as server:
        working = rowmill.start(*run_words(server))
        server.wait_for(5)
        with _terminal(rowmill, "watch", "last") as terminal:
            terminal.wait_for(f"of {rows} rows")
            terminal.type(CTRL_C)
            assert terminal.end() == 130
            assert "Traceback" not in terminal.shown
        assert working.end().code == 0
        assert_done(rowmill.place / "out.csv", rows)


def test_off_a_terminal_there_is_no_live_display(rowmill: Rowmill) -> None:
    rowmill.table(20)
    with ModelServer(latency=0.2) as server:
        ended = rowmill.ok(*run_words(server))
    job = rowmill.show()["id"]
    assert ended.stdout == ""
    assert ESCAPE not in ended.stderr
    assert ended.stderr.splitlines() == [
        f"{job}: 20 rows, up to 5 at a time.",
        f"{job} is completed: 20 of 20 rows succeeded, 60 tokens in, 20 out.",
        f"Results: {rowmill.place / 'out.csv'}",
    ]
