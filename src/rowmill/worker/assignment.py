"""One job of a worker: prepared, worked and its output file written, or failed with the reason."""

import asyncio
import logging
from contextlib import suppress
from enum import Enum, auto

from rowmill.core.errors import Busy, ClaimLost, IllegalTransition, StoreError, UsageError
from rowmill.core.job import Job, JobError
from rowmill.core.messages import Message
from rowmill.core.status import Action, JobStatus
from rowmill.engine.engine import Engine, processor_of, writes_file
from rowmill.engine.runtime import RealRuntime
from rowmill.engine.transfer.leftovers import sweep
from rowmill.jobs.deliver import deliver
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Processor

_log = logging.getLogger(__name__)


class RunResult(Enum):
    """What became of a job."""

    DONE = auto()
    LOST = auto()
    """Another process claimed it, or the store failed before it was claimed."""

    CANNOT_RUN_HERE = auto()
    """Something that it needs is missing here, and it was not left to a worker, so it did not fail."""


class Assignment:
    """``engine`` is the name under which the store knows the worker as alive. A store that fails is tried again after
    ``store_retry`` seconds."""

    def __init__(self, store: Store, engine: str, job: Job, *, store_retry: float = 5.0) -> None:
        self.job = job
        self._store_retry = store_retry
        self._store = store
        self._name = engine
        self._runtime = RealRuntime()
        self._engine = Engine(store, engine, self._runtime, as_worker=True)
        self._released = asyncio.Event()

    async def work(self) -> RunResult:
        """Works the job until it stops. Errors end this job only."""
        try:
            if self.job.status is JobStatus.COMPLETED:
                await self._runtime.load(self._write_file)
                return RunResult.DONE
            return await self._work()
        except StoreError as error:
            _log.error("job stopped by the store", extra=self._about(error.code, error.message))
            return await self._fail(JobError.of(error), only_if_held=True)
        except Exception as error:  # noqa: BLE001 - an error in one job must not end the others
            _log.exception("job stopped by an internal error", extra=self._about("internal"))
            return await self._fail(_internal(error))
        finally:
            self._runtime.close()

    def release(self, *, at_once: bool = False) -> None:
        """Saves the rows in flight, or aborts them ``at_once``, and leaves the job to the next worker."""
        self._released.set()
        self._engine.release(at_once=at_once)

    async def _work(self) -> RunResult:
        try:
            processors = await self._runtime.load(self._make_processors)
        except (UsageError, StoreError) as error:
            return await self._refused(error)
        if self._released.is_set():
            return RunResult.LOST
        try:
            action = await self._engine.run(self.job, processors)
        except (Busy, IllegalTransition):
            await self._runtime.load(self._sweep_if_cancelled)
            return RunResult.LOST
        except ClaimLost:
            _log.warning("job taken over by another process", extra=self._about("claim_lost"))
            return RunResult.LOST
        except UsageError as error:
            return await self._refused(error)
        if action is Action.COMPLETE and writes_file(self.job):
            await self._runtime.load(self._write_file)
        return RunResult.DONE

    def _make_processors(self) -> list[Processor]:
        return [processor_of(step, self._store) for step in self.job.steps]

    async def _refused(self, error: UsageError | StoreError) -> RunResult:
        """Fails a job that was left to a worker and cannot be worked here; it would wait for ever."""
        _log.warning("job cannot be worked here", extra=self._about(error.code, error.message))
        reason = JobError.of(error)
        result = await self._fail(reason, only_if_held=not self.job.detached)
        return result if self.job.detached or result is RunResult.DONE else RunResult.CANNOT_RUN_HERE

    async def _fail(self, error: JobError, *, only_if_held: bool = False) -> RunResult:
        """Ends the job as failed, as soon as the store can be written."""
        while not self._released.is_set():
            try:
                ended = await self._runtime.save(self._end_as_failed, error, only_if_held)
            except StoreError as trouble:
                _log.error("job cannot be ended", extra=self._about(trouble.code, trouble.message))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._released.wait(), self._store_retry)
            except (UsageError, ClaimLost):  # it has ended, or another process has it
                return RunResult.LOST
            else:
                return RunResult.DONE if ended else RunResult.LOST
        return RunResult.LOST

    def _end_as_failed(self, error: JobError, only_if_held: bool) -> bool:
        now = self._store.clock()
        held = self._store.control.release_own_claim(self.job.pk, self._name, now)
        if only_if_held and not held:
            return False
        claim = self._store.ledger.claim(self.job.pk, self._name, now, as_worker=True)
        if not self._store.ledger.finish(claim, Action.FAIL, now, error=error):
            self._store.ledger.finish(claim, Action.CANCEL, now)  # which outranks it
        return True

    def _sweep_if_cancelled(self) -> None:
        """A cancel requested while its engine died took effect at the claim."""
        job = self._store.browse.job(self.job.pk)
        if job.status is JobStatus.CANCELLED:
            sweep(self._store, job)

    def _write_file(self) -> None:
        """Writes the output file of the completed job, or sets the job's ``error`` if that fails."""
        if not self._store.queue.take_delivery(self.job.pk, self._name):
            return
        error = None
        try:
            deliver(self._store, self._store.browse.job(self.job.pk))
        except (UsageError, OSError) as trouble:
            error = _unwritten(trouble)
            _log.warning("output file not written", extra=self._about(error.code, error.message))
        except StoreError:
            raise
        except Exception as trouble:  # noqa: BLE001 - the rows are saved, and the job says what is missing
            _log.exception("output file not written", extra=self._about("internal"))
            error = _internal(trouble)
        self._store.queue.delivered(self.job.pk, self._name, error)

    def _about(self, code: str, message: str | None = None) -> dict[str, object]:
        about: dict[str, object] = {"job": self.job.id, "code": code}
        return about if message is None else {**about, "error": message}


def _internal(error: Exception) -> JobError:
    said = f"An internal error stopped it: {type(error).__name__}: {error}."
    return JobError("internal", said, "Please report it; the worker's log shows where.")


def _unwritten(trouble: UsageError | OSError) -> JobError:
    if isinstance(trouble, UsageError):
        return JobError.of(trouble, "output")
    path = trouble.filename or "The output file"
    return JobError.because("output", Message.OUTPUT_FAILED, path=path, error=str(trouble.strerror))
