"""Works a job in this process, with a display, until it stops; Ctrl-C pauses it."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import click
import uvloop

from rowmill.cli.common import on_terminal, print_json
from rowmill.cli.display import FRAME, Display
from rowmill.cli.remedies import REMEDIES
from rowmill.cli.words import stop_lines
from rowmill.core.errors import IllegalTransition
from rowmill.core.job import Job
from rowmill.core.status import JobStatus, JobType
from rowmill.engine.engine import Engine, processor_of
from rowmill.engine.runtime import RealRuntime, relax_gc
from rowmill.jobs.deliver import deliver
from rowmill.jobs.view import job_view
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Processor

_TERM_GRACE = 10.0
"""Seconds that SIGTERM leaves to the rows in flight."""

_TERM_LIMIT = 18.0
"""Seconds after SIGTERM at which the process ends however it stands; what is not saved then is tried again."""


def work(
    store: Store, engine: str, job: Job, *, max_failed: str = "0", as_json: bool = False, overwrite: bool = False
) -> int:
    """Runs ``job`` here, writes its output file when it is done, says how it ended; returns the exit code.

    Raises ``UsageError`` where it cannot be run from here at all; it is untouched then.
    """
    relax_gc()
    interrupted = Foreground(store, engine, job).run()
    return finished(store, job, max_failed, as_json=as_json, overwrite=overwrite, interrupted=interrupted)


class Foreground:
    def __init__(self, store: Store, engine: str, job: Job) -> None:
        self._store = store
        self._job = job
        self._engine = Engine(store, engine, RealRuntime())
        self._loop = uvloop.new_event_loop()
        self._interrupts = 0

    def run(self) -> bool:
        """Works the job; returns whether Ctrl-C was pressed."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        with redirect_stdout_to_stderr():
            processors = [processor_of(step, self._store) for step in self._job.steps]
            # Plain handlers: they run also while a function blocks the event loop.
            signal.signal(signal.SIGINT, self._interrupt)
            signal.signal(signal.SIGTERM, self._terminate)
            if before[signal.SIGHUP] is not signal.SIG_IGN:  # as nohup has it
                signal.signal(signal.SIGHUP, self._terminate)
            try:
                # Not a runner that waits for every task left: one that swallows its cancellation would never let go.
                self._loop.run_until_complete(self._work(processors))
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)
        return self._interrupts > 0

    async def _work(self, processors: list[Processor]) -> None:
        showing = asyncio.create_task(self._show())
        try:
            await self._engine.run(self._job, processors)
        except IllegalTransition:
            # Ctrl-C came before the job was claimed: it is paused already.
            if not self._interrupts:
                raise
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)

    async def _show(self) -> None:
        with Display(terminal=on_terminal()) as display:
            while True:
                display.show(self._store.browse.job(self._job.pk), self._store.clock())
                await asyncio.sleep(FRAME)

    def _interrupt(self, *_: object) -> None:
        self._interrupts += 1
        if self._interrupts == 1:
            self._say("Pausing: rows in flight are being finished. Ctrl-C again stops at once; saved rows stay saved.")
            self._pause()
        elif self._interrupts == 2:
            self._loop.call_soon_threadsafe(self._engine.abort)
        else:
            os._exit(130)

    def _terminate(self, *_: object) -> None:
        self._pause()
        self._later(_TERM_GRACE, lambda: self._loop.call_soon_threadsafe(self._engine.abort))
        self._later(_TERM_LIMIT, lambda: os._exit(5))

    def _pause(self) -> None:
        def pause() -> None:
            with suppress(IllegalTransition):  # it has just ended
                self._store.control.pause(self._job.pk, self._store.clock())

        self._later(0.0, pause)

    @staticmethod
    def _later(seconds: float, function: Callable[[], object]) -> None:
        timer = threading.Timer(seconds, function)
        timer.daemon = True
        timer.start()

    @staticmethod
    def _say(sentence: str) -> None:
        click.echo(sentence, err=True)


@contextmanager
def redirect_stdout_to_stderr() -> Iterator[None]:
    """Sends to stderr whatever is written to standard output meanwhile: that belongs to the results, and a function
    may print."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def finished(
    store: Store, job: Job, max_failed: str, *, as_json: bool, overwrite: bool = False, interrupted: bool = False
) -> int:
    """Delivers what a job has done and says how it stands; returns the exit code."""
    job = store.browse.job(job.pk)
    if job.status is JobStatus.COMPLETED:
        deliver(store, job, overwrite=overwrite)
        job = store.browse.job(job.pk)
    if as_json:
        print_json(job_view(job, store.clock(), REMEDIES, store.browse.executions(job.pk)))
    else:
        for line in stop_lines(job):
            click.echo(line, err=True)
        if job.status is JobStatus.COMPLETED and (where := _where(job)):
            click.echo(where, err=True)
    return 130 if interrupted and job.status is JobStatus.PAUSED else exit_code(job, max_failed)


def exit_code(job: Job, max_failed: str = "0") -> int:
    """What the process of a job that has stopped exits with."""
    if job.status is JobStatus.COMPLETED:
        return 4 if job.counts.failed > allowance(max_failed, job.counts.total or 0) else 0
    return 3 if job.status is JobStatus.FAILED else 5


def allowance(max_failed: str, total: int) -> float:
    """``1%`` or ``20`` as a number of rows. Raises ``BadParameter``."""
    text = max_failed.strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise click.BadParameter(
            f"{max_failed!r} is neither a number of rows nor a per cent.", param_hint="--max-failed"
        )
    return total * number / 100 if text.endswith("%") else number


def _where(job: Job) -> str | None:
    if job.type is not JobType.ENRICHMENT:
        return None
    if job.output is None:
        return f"Write the results to a file: rowmill export {job.id} -o FILE"
    return None if job.output.path == "-" else f"Results: {job.output.path}"
