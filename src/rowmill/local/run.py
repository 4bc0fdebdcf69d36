"""Runs one job in this process, until it stops."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import uvloop

from rowmill.client.display import display
from rowmill.core.errors import Busy, ClaimLost, IllegalTransition, UsageError
from rowmill.core.job import Job
from rowmill.core.status import JobStatus
from rowmill.engine.engine import Engine, processor_of
from rowmill.engine.runtime import RealRuntime
from rowmill.jobs.control import over
from rowmill.jobs.submit.submit import Progress
from rowmill.jobs.view import job_view
from rowmill.ledger.opening import open_store
from rowmill.local.remedies import REMEDIES

_POLL = 0.25
"""Seconds between two updates of the progress display, and between two looks at a job that another process runs."""

_GRACE = 10.0
"""Seconds in which the rows in flight are finished if the caller was interrupted by something else than Ctrl-C."""


class LocalRun:
    """The store in ``home`` with an engine in a thread of its own. The thread has its own event loop, because that of
    the caller may be running already, as in a notebook. ``progress`` is shown on stderr. Use it as a context
    manager."""

    def __init__(self, home: str | Path | None, *, progress: bool) -> None:
        self.store = open_store(Path(home).absolute() if home else None)
        self.name = self.store.join()
        self.job: Job | None = None
        self._progress = progress
        self._runtime = RealRuntime()
        self._engine = Engine(self.store, self.name, self._runtime)
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rowmill-enrich", daemon=True)
        self._pausing: threading.Thread | None = None
        self._done: Future[None] | None = None
        self._interrupts = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._done and not self._done.done():  # a signal handler of the caller raised something, or a third Ctrl-C
            seconds = 0.0 if self._interrupts > 2 else _GRACE
            self._interrupts += 1  # starts nothing more
            self._loop.call_soon_threadsafe(self._engine.release)
            if not wait([self._done], seconds).done:
                return  # what is not saved is tried again
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        if self._pausing:
            self._pausing.join()
        self._runtime.close()
        self._loop.close()
        self.store.leave(self.name)
        self.store.close()

    def run(self, begin: Callable[[Progress], Job]) -> Job:
        """Runs the job that ``begin`` makes or finds; returns it as it stands once it has stopped.

        The first Ctrl-C pauses the job, the second aborts the calls in flight; ``KeyboardInterrupt`` is raised once the
        job has stopped, or at once by the third. Raises ``UsageError`` and ``StoreError``.
        """
        with _on_sigint(self._interrupt):
            self._done = asyncio.run_coroutine_threadsafe(self._work(begin), self._loop)
            while not self._done.done():
                wait([self._done], _POLL)
        if self._interrupts:
            raise KeyboardInterrupt
        self._done.result()
        assert self.job
        return self.store.browse.job(self.job.pk)

    def _interrupt(self, *_: object) -> None:
        self._interrupts += 1
        if self._interrupts > 2:
            raise KeyboardInterrupt
        if self.job is None:
            return  # the input is still being read, which stops after the current batch
        if self._interrupts == 1:
            say("Pausing: rows in flight are being finished. Ctrl-C again stops at once; saved rows stay saved.")
            self._pausing = threading.Thread(target=self._pause, args=(self.job.pk,), daemon=True)
            self._pausing.start()
        else:
            self._loop.call_soon_threadsafe(self._engine.abort)

    def _pause(self, job: int) -> None:
        with suppress(IllegalTransition):  # it has just ended
            self.store.control.pause(job, self.store.clock())

    def _reading(self, rows: int) -> None:
        if self._interrupts:
            raise UsageError("Reading the input was interrupted.", "Call again to start over.")

    async def _work(self, begin: Callable[[Progress], Job]) -> None:
        self.job = await self._runtime.load(begin, self._reading)
        with ExitStack() as shown:
            if self._progress:
                showing = asyncio.create_task(self._show(self.job.pk))
                shown.callback(showing.cancel)
            while not over(job := await self._runtime.load(self.store.browse.job, self.job.pk)):
                if job.status is JobStatus.RUNNING and not job.interrupted:  # in another process
                    await asyncio.sleep(_POLL)
                elif self._interrupts:
                    return
                else:
                    await self._run_here(job)

    async def _run_here(self, job: Job) -> None:
        processors = await self._runtime.load(lambda: [processor_of(step, self.store) for step in job.steps])
        try:
            await self._engine.run(job, processors)
        except (Busy, ClaimLost, IllegalTransition):  # another process has claimed, paused or cancelled it
            await asyncio.sleep(_POLL)

    async def _show(self, job: int) -> None:
        with display() as see:
            while True:
                now = await self._runtime.load(self.store.browse.job, job)
                see(vars(job_view(now, self.store.clock(), REMEDIES)))
                await asyncio.sleep(_POLL)


@contextmanager
def _on_sigint(handler: Callable[..., None]) -> Iterator[None]:
    """Handles Ctrl-C by ``handler``, which cannot be interrupted half-way as an exception handler can be."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (None, signal.SIG_IGN):
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def say(sentence: str) -> None:
    """Prints to stderr."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
