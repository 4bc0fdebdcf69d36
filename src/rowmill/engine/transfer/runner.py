"""Runs one import or export under one claim: batch after batch, each committed, until all is done or it is stopped.

What is moved, and how, is a ``Mover``'s (``importer``, ``exporter``); how a job is stopped is the same for all.
"""

import time
from typing import Protocol

from rowmill.core.commit import Claim, ControlState
from rowmill.core.errors import StoreError, UsageError
from rowmill.core.job import JobError
from rowmill.core.status import Action, PauseReason
from rowmill.engine.runtime import Runtime
from rowmill.engine.stop import Stop, Stopper, endings, finish
from rowmill.ledger.store import Store

_RATE_SAMPLE_INTERVAL = 10.0
_POLL_INTERVAL = 0.1
"""Seconds between two looks at what is requested of the job, while bytes come and go that no commit counts."""


class Stopped(Exception):
    """Ends a step early: the job is to stop."""


class Mover(Protocol):
    """Its methods block; they run in a thread, one after the other."""

    trouble: str
    """The code of a job that its file has stopped: ``input`` or ``output``."""

    @property
    def done(self) -> bool:
        """Whether nothing but the job's end is left; not yet where a file is still to be put in place."""
        ...

    def open(self) -> None:
        """Gets ready to go on where the last execution stopped. Raises ``UsageError``."""
        ...

    def step(self) -> ControlState | None:
        """Moves and commits the next batch; ``None`` once everything is done. Raises ``UsageError``."""
        ...

    def close(self) -> None:
        """Lets go of files."""
        ...

    def discard(self) -> None:
        """Removes files that are of no use any more: the job is cancelled."""
        ...


class Watch:
    """Tells a blocking step that its job is to stop."""

    def __init__(self, store: Store, claim: Claim, stopper: Stopper) -> None:
        self._ledger = store.ledger
        self._claim = claim
        self._stopper = stopper
        self._look_at = 0.0

    def __call__(self, _bytes: int = 0) -> None:
        """Raises ``Stopped`` where an action is requested of the job."""
        if (now := time.monotonic()) >= self._look_at:
            self._look_at = now + _POLL_INTERVAL
            self._stopper.request(self._ledger.poll_control(self._claim).requested_action)
        if self._stopper.stop:
            raise Stopped


class TransferRunner:
    """``ending`` says afterwards how it ended."""

    def __init__(self, store: Store, claim: Claim, mover: Mover, stopper: Stopper, runtime: Runtime) -> None:
        self._ledger = store.ledger
        self._claim = claim
        self._mover = mover
        self._stopper = stopper
        self._runtime = runtime
        self._mark_at = runtime.now() + _RATE_SAMPLE_INTERVAL
        self.ending: Stop | None = None

    def abort(self) -> None:
        """Stops after the batch under way; the job is paused."""
        self._stopper.demand(Stop(Action.PAUSE, PauseReason.USER))

    def release(self, *, at_once: bool = False) -> None:
        """Stops after the batch under way, ``at_once`` or not: that is soon. The job waits for another engine."""
        self._stopper.demand(Stop(Action.RELEASE))

    async def run(self) -> Action:
        """Works the job until it stops; returns the action that stopped it.

        Raises ``ClaimLost``, and ``StoreError`` if not even the stop can be saved.
        """
        try:
            while True:
                stop = await self._move()
                for ending in endings(stop) if self._mover.done else [stop]:
                    if await finish(self._ledger, self._claim, ending, self._runtime):
                        self.ending = ending
                        if ending.action is Action.CANCEL:
                            await self._runtime.save(self._mover.discard)
                        return ending.action
                # The request was withdrawn.
                self._stopper.request(
                    (await self._runtime.save(self._ledger.poll_control, self._claim)).requested_action
                )
        finally:
            await self._runtime.save(self._mover.close)

    async def _move(self) -> Stop:
        """Moves batches until a reason to stop comes up."""
        save = self._runtime.save
        try:
            await save(self._mover.open)
            while not self._stopper.stop:
                poll_control = await save(self._mover.step)
                if poll_control is None:
                    # It completes, unless only rows that had failed were to be done (`retry --failed-only`).
                    return Stop(Action.PAUSE, PauseReason.USER)
                self._stopper.request(poll_control.requested_action)
                await self._mark()
        except Stopped:
            pass
        except StoreError as error:
            self._fail(JobError.of(error))
        except UsageError as error:
            self._fail(JobError.of(error, self._mover.trouble))
        except OSError as error:
            said = f"{error.filename or 'The file'} could not be read or written: {error.strerror}."
            self._fail(JobError(self._mover.trouble, said, "Check the disk and resume."))
        assert self._stopper.stop
        return self._stopper.stop

    def _fail(self, error: JobError) -> None:
        self._stopper.demand(Stop(Action.FAIL, error=error))

    async def _mark(self) -> None:
        if (now := self._runtime.now()) >= self._mark_at:
            self._mark_at = now + _RATE_SAMPLE_INTERVAL
            await self._runtime.save(self._ledger.mark, self._claim, now)
