"""The process of a worker that a server has started: works, says that it does, and does what it is told.

The two talk over a socket. The worker says every second that its event loop turns. It is told by one byte that there
may be work, or that it is to stop. The end of the socket tells it that whoever started it is gone, however that came
about, and it stops by itself: it never outlives them by more than its grace.
"""

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from asyncio import AbstractEventLoop
from contextlib import closing, suppress
from dataclasses import dataclass

import uvloop

from rowmill.core.errors import RowmillError
from rowmill.engine.runtime import relax_gc
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import CALL_THREADS
from rowmill.worker.logs import configure
from rowmill.worker.maintenance import chores
from rowmill.worker.worker import GRACE, JOBS, LIMIT, Worker

AT_WORK, LOOK, STOP, STOP_AT_ONCE = b"w", b"l", b"s", b"a"

SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""What whoever starts it blocks until it is ready: Ctrl-C goes to every process of a terminal, and would end it."""

BEAT = 1.0
"""Seconds between two signs of life."""

SILENCE = 15.0
"""Seconds after which an event loop that did not turn is told of."""

_LAST = LIMIT + 0.5
"""Seconds after its grace at which it ends, however it stands; what is not saved then is tried again."""

_LEFT_OVER = 5
"""Beats for which a worker has nothing to do, and has threads left over, before it ends to be replaced."""

_log = logging.getLogger("rowmill.worker.main")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """``jobs`` and ``grace`` are as for ``Worker``, the format and level of the log as for ``configure``."""

    jobs: int = JOBS
    grace: float = GRACE
    log_format: str = "text"
    log_level: str = "info"


def main(descriptor: int, options: WorkerOptions) -> int:
    """Works until it is told to stop over the socket ``descriptor``. Returns the exit code."""
    configure(options.log_format, options.log_level)
    relax_gc()
    os.set_inheritable(descriptor, False)  # or a process that a function starts would hold it open
    try:
        with socket.socket(fileno=descriptor) as channel, closing(open_store()) as store:
            os.register_at_fork(after_in_child=channel.close)  # likewise
            ended_well = _work(store, channel, options)
    except RowmillError as error:
        _log.error("the worker cannot work", extra={"code": error.code, "error": str(error)})
        return 1
    except Exception:  # noqa: BLE001 - whatever it is, it belongs in the log
        _log.exception("the worker ended by an error")
        return 1
    if not ended_well or _left_over():
        os._exit(0)
    return 0


def _work(store: Store, channel: socket.socket, options: WorkerOptions) -> bool:
    """Returns whether all calls have ended."""
    worker = Worker(store, jobs=options.jobs, grace=options.grace, chores=chores(store))
    loop = uvloop.new_event_loop()
    steward = _Steward(worker, loop, channel, options.grace)
    signal.signal(signal.SIGTERM, lambda *_: steward.stop())
    for number in (signal.SIGINT, signal.SIGHUP):  # not SIG_IGN: what a function starts would inherit that
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    steward.start()
    # Not a runner that waits for every task left: one that swallows its cancellation would never let go.
    return loop.run_until_complete(worker.run())


class _Steward:
    """Sees to the worker from threads of its own, which go on when a function does not let go of the event loop."""

    def __init__(self, worker: Worker, loop: AbstractEventLoop, channel: socket.socket, grace: float) -> None:
        self._worker = worker
        self._loop = loop
        self._channel = channel
        self._grace = grace
        self._ends_within = float("inf")

    def start(self) -> None:
        for name, target in (("rowmill-obey", self._obey), ("rowmill-poll_control", self._tell)):
            threading.Thread(target=target, name=name, daemon=True).start()

    def stop(self, *, at_once: bool = False) -> None:
        """Lets what is in flight end, or aborts it ``at_once``; the process ends within bounds."""
        within = _LAST if at_once else self._grace + _LAST
        if within < self._ends_within:
            self._ends_within = within
            last = threading.Timer(within, self._give_up)
            last.daemon = True
            last.start()
        self._worker.release(at_once=at_once)

    def _obey(self) -> None:
        """Does what it is told until nobody is left to tell."""
        with suppress(OSError):  # they may have gone while it started
            while word := self._channel.recv(1):
                if word == LOOK:
                    self._worker.notify()
                else:
                    self.stop(at_once=word == STOP_AT_ONCE)
        if self._ends_within == float("inf"):
            _log.warning("whoever started the worker is gone")
            self.stop()

    def _tell(self) -> None:
        """Says that the event loop turns as long as it does."""
        idle = 0
        with suppress(OSError, RuntimeError):  # nobody is left to hear it, or the loop has been closed
            while True:
                self._wait_for_a_turn()
                self._channel.send(AT_WORK)
                calls = _left_over()
                idle = idle + 1 if calls and not self._worker.working else 0
                if idle == _LEFT_OVER:
                    _log.warning("calls go on after their time, and the worker is replaced", extra={"calls": calls})
                    self.stop()
                time.sleep(BEAT)

    def _wait_for_a_turn(self) -> None:
        turned = threading.Event()
        self._loop.call_soon_threadsafe(turned.set)
        if not turned.wait(SILENCE):
            _log.error("a function does not let go of the event loop", extra={"working": self._worker.working})
            turned.wait()
            _log.warning("the event loop turns again")

    def _give_up(self) -> None:
        _log.warning("jobs did not stop in time", extra={"stubborn": self._worker.working})
        os._exit(0)


def _left_over() -> int:
    """How many threads still make calls of functions."""
    return sum(thread.name.startswith(CALL_THREADS) for thread in threading.enumerate())


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), WorkerOptions(**json.loads(sys.argv[2]))))
