"""A worker in a process of its own, under the process that started it.

A function that computes without a pause, or brings the interpreter down, then costs whoever started it nothing: its own
threads have a processor of their own, and a worker that died is started again. Its jobs go on as after any crash.

The two talk over a socket. The worker sends one byte when it is at work; it is told by one byte that there may be work,
or that it is to stop. The end of the socket tells it that whoever started it is gone, however that came about, and it
stops by itself: it never outlives them by more than its grace.
"""

import gc
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing, suppress
from dataclasses import asdict, dataclass

import uvloop

from rowmill.model.errors import RowmillError
from rowmill.service.chores import chores
from rowmill.service.logs import configure
from rowmill.service.worker import GRACE, JOBS, LIMIT, Worker
from rowmill.store.opening import open_store
from rowmill.store.store import Store

LAST = LIMIT + 1.0
"""Seconds after its grace at which a worker that was told to stop ends, however it stands; what is not saved then is
tried again."""

_RESTART = 2.0
"""Seconds after which a worker that died is started again."""

_KILLED = 2.0
"""Seconds in which a killed process is gone, unless the machine keeps it."""

_COLLECT_AFTER = 100_000
"""Objects between two looks of the garbage collector. Rows make no cycles, but so many objects that it would take a
fifth of the time to find that out."""

_AT_WORK, _LOOK, _STOP, _STOP_AT_ONCE = b"w", b"l", b"s", b"a"
_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """``jobs`` and ``grace`` are as for ``Worker``, the format and level of the log as for ``configure``."""

    jobs: int = JOBS
    grace: float = GRACE
    log_format: str = "text"
    log_level: str = "info"


class WorkerProcess(threading.Thread):
    """Keeps such a worker running until it is told to stop. The verbs may be called from any thread, and from the
    handler of a signal."""

    def __init__(self, options: WorkerOptions) -> None:
        super().__init__(name="rowmill-worker", daemon=True)
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._at_work = threading.Event()
        self._stopping = threading.Event()

    @property
    def at_work(self) -> bool:
        """Whether a worker is at work: alive, and ready to take up jobs."""
        return self._at_work.is_set()

    def wait(self, within: float) -> None:
        """Returns once it is at work, after ``within`` seconds at the latest."""
        self._at_work.wait(within)

    def run(self) -> None:
        # The worker inherits this. A Ctrl-C goes to every process of a terminal, and would end it while it starts.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        while not self._stopping.is_set():
            code = self._run_once()
            if not self._stopping.is_set():
                _log.error("the worker died and is started again", extra={"exit_code": code})
                self._stopping.wait(_RESTART)

    def notify(self) -> None:
        """There may be work."""
        self._send(_LOOK)

    def stop(self, *, at_once: bool = False) -> None:
        """Lets what is in flight end, within bounds, or aborts it ``at_once``."""
        self._stopping.set()
        self._send(_STOP_AT_ONCE if at_once else _STOP)

    def end(self, within: float) -> None:
        """Stops the worker, and kills it where that takes longer than ``within`` seconds; returns when it is gone."""
        self.stop()
        self.join(within)
        if self.is_alive():
            self.kill()
            self.join(_KILLED)

    def kill(self) -> None:
        """Ends the worker however it stands: what is in flight is tried again."""
        self._stopping.set()
        if self._process is not None:
            self._process.kill()

    def _run_once(self) -> int:
        """One life of a worker; returns its exit code."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                # -P: what lies in the current directory is not the library's.
                command = [sys.executable, "-P", "-m", __name__, str(theirs.fileno())]
                self._process = subprocess.Popen(  # noqa: S603 - our own words
                    [*command, json.dumps(asdict(self._options))],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            self._channel = ours
            if self._stopping.is_set():  # before there was anybody to tell
                self._send(_STOP)
            with suppress(OSError):
                if ours.recv(1) == _AT_WORK:
                    self._at_work.set()
            code = self._process.wait()
            self._at_work.clear()
            self._channel = None
        return code

    def _send(self, word: bytes) -> None:
        if (channel := self._channel) is not None:
            with suppress(OSError):  # it has just died, or has enough to read
                channel.send(word, socket.MSG_DONTWAIT)


def main(descriptor: int, options: WorkerOptions) -> int:
    """The worker's side: works until it is told to stop over the socket ``descriptor``. Returns the exit code."""
    configure(options.log_format, options.log_level)
    gc.set_threshold(_COLLECT_AFTER)
    os.set_inheritable(descriptor, False)  # or a process that a function starts would hold it open
    try:
        with socket.socket(fileno=descriptor) as channel, closing(open_store()) as store:
            ended_well = _work(store, channel, options)
    except RowmillError as error:
        _log.error("the worker cannot work", extra={"code": error.code, "error": str(error)})
        return 1
    except Exception:  # noqa: BLE001 - whatever it is, it belongs in the log
        _log.exception("the worker ended by an error")
        return 1
    if not ended_well:
        os._exit(0)
    return 0


def _work(store: Store, channel: socket.socket, options: WorkerOptions) -> bool:
    """Returns whether all threads and calls have ended."""
    worker = Worker(store, jobs=options.jobs, grace=options.grace, chores=chores(store))
    ending = _Ending(worker, options.grace)
    signal.signal(signal.SIGTERM, lambda *_: ending.begin())
    for number in (signal.SIGINT, signal.SIGHUP):  # not SIG_IGN: what a function starts would inherit that
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    threading.Thread(target=ending.obey, args=(channel,), name="rowmill-obey", daemon=True).start()
    # Not a runner that waits for every task left: one that swallows its cancellation would never let go.
    return uvloop.new_event_loop().run_until_complete(worker.run())


class _Ending:
    """How a worker comes to its end, within bounds."""

    def __init__(self, worker: Worker, grace: float) -> None:
        self._worker = worker
        self._within = grace + LAST
        self._begun = False

    def obey(self, channel: socket.socket) -> None:
        """Does what it is told until nobody is left to tell."""
        channel.send(_AT_WORK)
        while word := channel.recv(1):
            if word == _LOOK:
                self._worker.notify()
            else:
                self.begin(at_once=word == _STOP_AT_ONCE)
        if not self._begun:
            _log.warning("whoever started the worker is gone")
            self.begin()

    def begin(self, *, at_once: bool = False) -> None:
        if not self._begun:
            self._begun = True
            last = threading.Timer(self._within, os._exit, (0,))
            last.daemon = True
            last.start()
        self._worker.release(at_once=at_once)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), WorkerOptions(**json.loads(sys.argv[2]))))
