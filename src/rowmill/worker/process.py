"""A worker in a process of its own, under the process that started it.

A function that computes without a pause, or brings the interpreter down, then costs whoever started it nothing: its own
threads have a processor of their own, and a worker that died is started again. Its jobs go on as after any crash.
"""

import json
import logging
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from queue import Empty, SimpleQueue

from rowmill.worker import main as worker_main
from rowmill.worker.main import AT_WORK, BEAT, LOOK, SIGNALS, SILENCE, STOP, STOP_AT_ONCE, WorkerOptions
from rowmill.worker.worker import LIMIT

LAST = LIMIT + 1.0
"""Seconds after its grace by which a worker that was told to stop has ended by itself."""

_RESTART = 2.0
"""Seconds after which a worker that died is started again."""

_KILLED = 2.0
"""Seconds in which a killed process is gone, unless the machine keeps it."""

_log = logging.getLogger(__name__)


class WorkerProcess(threading.Thread):
    """Keeps such a worker running until it is told to stop. The verbs may be called from any thread, and from the
    handler of a signal."""

    def __init__(self, options: WorkerOptions) -> None:
        super().__init__(name="rowmill-worker", daemon=True)
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._at_work = False
        self._stopping = False
        # An event would lock: a handler that came while its own thread sets it would wait for ever.
        self._told: SimpleQueue[None] = SimpleQueue()

    @property
    def at_work(self) -> bool:
        """Whether a worker is at work: alive, and ready to take up jobs."""
        return self._at_work

    def run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # which the worker inherits
        while not self._stopping:
            try:
                code = self._run_once()
            except OSError as error:  # neither descriptors nor processes are endless
                _log.error("the worker cannot be started and will be tried again", extra={"error": str(error)})
            else:
                if code == 0 or self._stopping:
                    continue
                _log.error("the worker died and is started again", extra={"exit_code": code})
            with suppress(Empty):
                self._told.get(timeout=_RESTART)

    def notify(self) -> None:
        """There may be work."""
        if self.at_work:  # one that starts looks by itself, and would leave no room for the word to stop
            self._send(LOOK)

    def stop(self, *, at_once: bool = False) -> None:
        """Lets what is in flight end, within bounds, or aborts it ``at_once``."""
        self._end_restarts()
        self._send(STOP_AT_ONCE if at_once else STOP)

    def end(self, within: float) -> None:
        """Stops the worker, and kills it where that takes longer than ``within`` seconds; returns when it is gone."""
        self.stop()
        self.join(within)
        if self.is_alive():
            _log.warning("the worker did not end in time and is killed")
            self.kill()
            self.join(_KILLED)

    def kill(self) -> None:
        """Ends the worker however it stands: what is in flight is tried again."""
        self._end_restarts()
        if self._process is not None:
            self._process.kill()

    def _end_restarts(self) -> None:
        self._stopping = True
        self._told.put(None)

    def _run_once(self) -> int:
        """One life of a worker; returns its exit code."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                # -P: what lies in the current directory is not the library's.
                command = [sys.executable, "-P", "-m", worker_main.__name__, str(theirs.fileno())]
                self._process = subprocess.Popen(  # noqa: S603 - our own words
                    [*command, json.dumps(asdict(self._options))],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            self._channel = ours
            if self._stopping:  # before there was anybody to tell
                self._send(STOP)
            self._follow(ours, self._process)
            code = self._process.wait()
            self._channel = None
        return code

    def _follow(self, channel: socket.socket, process: subprocess.Popen[bytes]) -> None:
        """Returns when the worker is gone, or about to go."""
        channel.settimeout(BEAT + SILENCE)
        while process.poll() is None:
            try:
                said = channel.recv(64)
            except TimeoutError:
                self._at_work = False
                continue
            except OSError:
                break
            if AT_WORK not in said:
                break
            self._at_work = True
        self._at_work = False

    def _send(self, word: bytes) -> None:
        if (channel := self._channel) is not None:
            with suppress(OSError):  # it has just died, or has enough to read
                channel.send(word, socket.MSG_DONTWAIT)
