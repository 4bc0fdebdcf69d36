"""A worker as a child process of the server, started again whenever it dies.

In a process of its own, a function that computes without a pause or brings down the interpreter costs the server
nothing. The jobs of a dead worker go on as after any crash.
"""

import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from queue import Empty, SimpleQueue

from rowmill.worker.main import ABORT_SIGNAL, BLOCKED_AFTER, EXIT_TIMEOUT, HEARTBEAT_INTERVAL, WorkerOptions
from rowmill.worker.shutdown import STOP_SIGNALS

STOP_TIMEOUT = EXIT_TIMEOUT + 0.5
"""Seconds after its grace by which a stopped worker has exited by itself."""

MAX_RESTART_DELAY = 30.0
STABLE_AFTER = 60.0
"""Seconds after whose uptime a worker that dies is started again after the first, shortest delay."""

_log = logging.getLogger(__name__)


class WorkerProcess(threading.Thread):
    """Keeps a worker running from ``start`` until ``stop``. A worker that dies is started again after
    ``restart_delay`` seconds, and twice that each time it dies again, up to ``MAX_RESTART_DELAY``.

    All methods may be called from any thread and from signal handlers, and do nothing where no worker was started."""

    def __init__(self, options: WorkerOptions, *, restart_delay: float = 1.0) -> None:
        super().__init__(name="rowmill-worker", daemon=True)
        self._options = options
        self._restart_delay = restart_delay
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._stopping = False
        self._wake: SimpleQueue[None] = SimpleQueue()  # an Event could deadlock in a signal handler
        self.running = False
        """Whether a worker is alive and its event loop not blocked."""

    def run(self) -> None:
        # The worker inherits this until it handles them: Ctrl-C in a terminal reaches it, too.
        signal.pthread_sigmask(signal.SIG_BLOCK, (*STOP_SIGNALS, ABORT_SIGNAL))
        delay = self._restart_delay
        while not self._stopping:
            started = time.monotonic()
            try:
                code = self._run_once()
            except OSError as error:  # out of processes or file descriptors
                _log.error("worker not started", extra={"error": str(error), "delay": delay})
            else:
                if code == 0 or self._stopping:
                    continue
                if time.monotonic() - started > STABLE_AFTER:
                    delay = self._restart_delay
                _log.error("worker died", extra={"exit_code": code, "delay": delay})
            with suppress(Empty):
                self._wake.get(timeout=delay)
            delay = min(delay * 2, MAX_RESTART_DELAY)

    def notify(self) -> None:
        """Tells the worker that there may be a new job."""
        if (server_end := self._socket) is not None:
            with suppress(OSError):  # dead, or busy with earlier notices
                server_end.send(b".", socket.MSG_DONTWAIT)

    def stop(self) -> None:
        """Lets the worker save the rows in flight within its grace."""
        self._stopping = True
        self._wake.put(None)
        if (server_end := self._socket) is not None:
            with suppress(OSError):  # it is dead
                server_end.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Stops the worker without its grace: calls in flight are aborted."""
        self.stop()
        if self._process is not None:
            self._process.send_signal(ABORT_SIGNAL)

    def kill(self) -> None:
        """Ends the worker at once; nothing in flight is saved."""
        self.stop()
        if self._process is not None:
            self._process.kill()

    def end(self, timeout: float) -> None:
        """Stops the worker, kills it if that takes more than ``timeout`` seconds, and returns when it is gone."""
        self.stop()
        if self.ident is None:
            return
        self.join(timeout)
        if self.is_alive():
            _log.warning("worker killed because it did not stop in time")
            self.kill()
            self.join(2.0)

    def _run_once(self) -> int:
        """Starts a worker and follows it to its end; returns its exit code."""
        server_end, worker_end = socket.socketpair()
        with server_end:
            with worker_end:
                # -P: modules in the current directory must not replace ours.
                command = [sys.executable, "-P", "-m", "rowmill", "worker", "--server-socket", str(worker_end.fileno())]
                for name, value in asdict(self._options).items():
                    command += [f"--{name.replace('_', '-')}", str(value)]
                process = self._process = subprocess.Popen(  # noqa: S603 - our own command
                    command, stdin=subprocess.DEVNULL, pass_fds=[worker_end.fileno()]
                )
            self._socket = server_end
            if self._stopping:  # since before there was a socket to shut down
                self.stop()
            server_end.settimeout(HEARTBEAT_INTERVAL + BLOCKED_AFTER)
            while process.poll() is None:
                try:
                    if not server_end.recv(64):
                        break
                    self.running = True
                except TimeoutError:
                    self.running = False
                except OSError:  # it died with notices unread
                    break
            self.running = False
            self._socket = None
            return process.wait()
