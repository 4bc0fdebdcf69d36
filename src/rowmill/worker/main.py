"""A worker as a process: ``rowmill worker``, by itself or started by a server.

A server and its worker share a socket. The worker writes a byte every second while its event loop runs; the server
writes one when there may be work. End of file means that the server is stopping or dead, and stops the worker, so
that it never outlives its server by more than its grace.
"""

import logging
import os
import signal
import socket
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

import uvloop

from rowmill.core.errors import RowmillError
from rowmill.engine.runtime import relax_gc
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import CALL_THREADS
from rowmill.worker.maintenance import maintenance_tasks
from rowmill.worker.shutdown import STOP_SIGNALS, call_after, handle_signals
from rowmill.worker.worker import GRACE, JOBS, LIMIT, Worker

ABORT_SIGNAL = signal.SIGQUIT
"""Aborts calls in flight however many signals came before, which a service manager or terminal may have sent, too."""

HEARTBEAT_INTERVAL = 1.0
BLOCKED_AFTER = 15.0
"""Seconds after which an event loop that did not run counts as blocked."""

EXIT_TIMEOUT = LIMIT + 0.5
"""Seconds after its grace at which the process exits in any case. Calls in flight then count as uncertain."""

_HUNG_BEATS = 5
"""Heartbeats after which a worker that has no jobs but still has calls running in threads is replaced."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """``jobs`` and ``grace`` are those of ``Worker``, ``log_format`` and ``log_level`` those of ``configure``. Each is
    an option of ``rowmill worker``."""

    jobs: int = JOBS
    grace: float = GRACE
    log_format: str = "text"
    log_level: str = "info"


def run_worker(options: WorkerOptions, server: socket.socket | None = None) -> int:
    """Works jobs until a signal, or until the other end of ``server`` is closed. Returns the exit code."""
    relax_gc()
    try:
        with closing(open_store()) as store:
            stopped = _run(store, options, server)
    except RowmillError as error:
        _log.error("worker failed", extra={"code": error.code, "error": str(error)})
        return error.exit_code
    except Exception:  # noqa: BLE001 - whatever it is, it belongs in the log
        _log.exception("worker failed", extra={"code": "internal"})
        return 1
    if not stopped or _hung_calls():
        os._exit(0)  # their threads would keep the process alive
    return 0


def _run(store: Store, options: WorkerOptions, server: socket.socket | None) -> bool:
    """Returns whether all jobs stopped."""
    worker = Worker(store, jobs=options.jobs, grace=options.grace, maintenance=maintenance_tasks(store))
    loop = uvloop.new_event_loop()

    def give_up() -> None:
        _log.warning("jobs did not stop in time", extra={"stubborn": worker.working})
        os._exit(0)

    def stop() -> None:
        worker.release()
        call_after(options.grace + EXIT_TIMEOUT, give_up)

    def abort() -> None:
        worker.release(at_once=True)
        call_after(EXIT_TIMEOUT, give_up)

    handle_signals(stop, abort, lambda: os._exit(130))
    signal.signal(ABORT_SIGNAL, lambda *_: abort())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOP_SIGNALS, ABORT_SIGNAL))  # which the server blocked for the start

    def follow_server(server: socket.socket) -> None:
        with suppress(OSError):
            while server.recv(64):
                worker.notify()
        stop()

    if server:
        server.set_inheritable(False)  # a process that a function starts would keep it open
        os.register_at_fork(after_in_child=server.close)
        threading.Thread(target=follow_server, args=(server,), daemon=True).start()
    threading.Thread(target=_watch, args=(loop, worker, server, stop), daemon=True).start()
    # asyncio.run would wait for calls that ignore their cancellation.
    return loop.run_until_complete(worker.run())


def _watch(loop: AbstractEventLoop, worker: Worker, server: socket.socket | None, stop: Callable[[], None]) -> None:
    """Tells ``server`` that the event loop runs, logs when it is blocked, and stops an idle worker whose calls hang."""
    hung_beats = 0
    with suppress(OSError, RuntimeError):  # the server is gone, or the loop was closed
        while True:
            turned = threading.Event()
            loop.call_soon_threadsafe(turned.set)
            if not turned.wait(BLOCKED_AFTER):
                _log.error("event loop blocked", extra={"working": worker.working})
                turned.wait()
                _log.warning("event loop running again")
            if server:
                server.send(b".")
                hung_beats = hung_beats + 1 if _hung_calls() and not worker.working else 0
                if hung_beats == _HUNG_BEATS:
                    _log.warning("worker replaced because calls hang", extra={"calls": _hung_calls()})
                    stop()
            time.sleep(HEARTBEAT_INTERVAL)


def _hung_calls() -> int:
    """Calls of functions that are still running in threads."""
    return sum(thread.name.startswith(CALL_THREADS) for thread in threading.enumerate())
