"""An engine: claims jobs for this process, runs them, and is known as alive for as long as the process lives.

What happens after a crash: the dead process holds its lock no more, so the next claim (or pause, or cancel) of its job
finds it dead and frees what it held (``rowmill.ledger.recovery``); the rows that were in flight are tried again.
"""

import logging
from collections.abc import Sequence

from rowmill.connections.connect import opened_config
from rowmill.core.job import Job, Step
from rowmill.core.status import Action, JobType, PauseReason
from rowmill.engine.inputs import Inputs
from rowmill.engine.rows.feeder import Feeder
from rowmill.engine.rows.local import LocalBackend
from rowmill.engine.rows.runner import Runner
from rowmill.engine.runtime import Runtime
from rowmill.engine.stop import Stop, Stopper
from rowmill.engine.transfer.exporter import Exporter
from rowmill.engine.transfer.importer import Importer
from rowmill.engine.transfer.runner import TransferRunner, Watch
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Processor, ProcessorFactory
from rowmill.plugins.registry import load

_log = logging.getLogger(__name__)


def processor_of(step: Step, store: Store) -> Processor:
    """The processor of one step. Raises ``UsageError`` where it cannot work here (no key, not installed), and
    ``StoreError`` where the key of its connection cannot be read."""
    factory: ProcessorFactory = load("processors", step.processor)
    return factory(opened_config(store, step), step.outputs)


def writes_file(job: Job) -> bool:
    """Whether an output file is to be written once ``job`` has completed."""
    return job.type is JobType.ENRICHMENT and job.output is not None and job.output.path != "-"


class Engine:
    """``engine`` is the name under which the store knows this process as alive. With ``as_worker`` the jobs that it
    claims are any worker's from then on."""

    def __init__(self, store: Store, engine: str, runtime: Runtime, *, as_worker: bool = False) -> None:
        self._store = store
        self._engine = engine
        self._runtime = runtime
        self._as_worker = as_worker
        self._runner: Runner | TransferRunner | None = None
        self._aborted = False
        self._released = False
        self._at_once = False

    async def run(self, job: Job, processors: Sequence[Processor] = ()) -> Action:
        """Claims ``job`` and works it until it stops; returns the action that stopped it.

        Raises ``Busy`` where another process has it, ``IllegalTransition``, ``ClaimLost``, ``StoreError``, and
        ``UsageError`` where a processor cannot be opened; the job is untouched then.
        """
        try:
            for processor in processors:
                await processor.open()
            runner = await self._prepare(job, processors)
            self._runner = runner
            if self._aborted:
                runner.abort()
            if self._released:
                runner.release(at_once=self._at_once)
            action = await runner.run()
            _note_end(job, runner.ending)
            return action
        finally:
            self._runner = None
            for processor in processors:
                await processor.close()

    def abort(self) -> None:
        """Stops at once; see ``Runner.abort``."""
        self._aborted = True
        if self._runner:
            self._runner.abort()

    def release(self, *, at_once: bool = False) -> None:
        """Lets what is in flight end, or aborts it ``at_once``, and leaves the job to another engine."""
        self._released = True
        self._at_once = self._at_once or at_once
        if self._runner:
            self._runner.release(at_once=at_once)

    async def _prepare(self, job: Job, processors: Sequence[Processor]) -> Runner | TransferRunner:
        now = self._runtime.now()
        claim = await self._runtime.save(
            lambda: self._store.ledger.claim(
                job.pk, self._engine, now, as_worker=self._as_worker, writes_output=self._as_worker and writes_file(job)
            )
        )
        _log.info("job claimed", extra={"job": job.id, "type": str(job.type), "execution": claim.execution})
        claimed = await self._runtime.load(self._store.browse.job, job.pk)
        if job.type is not JobType.ENRICHMENT:
            stopper = Stopper()
            mover: type[Importer | Exporter] = Importer if job.type is JobType.IMPORT else Exporter
            watch = Watch(self._store, claim, stopper)
            return TransferRunner(self._store, claim, mover(self._store, claim, claimed, watch), stopper, self._runtime)
        dataset = await self._runtime.load(self._store.datasets.get, job.dataset)
        backend = LocalBackend(self._store, claim, self._runtime)
        inputs = Inputs(self._store, dataset, claimed.steps, claimed.result_version)
        feeder = Feeder(self._store, claim, claimed, inputs, backend, self._runtime)
        return Runner(self._store, claim, claimed, processors, feeder, self._runtime)


def _note_end(job: Job, ending: Stop | None) -> None:
    """Logs how the execution ended. What a pause of the engine's own says may quote a row, and stays in the store."""
    if ending is None:
        return
    told = {"job": job.id, "ended": str(ending.action)}
    if ending.action is Action.FAIL and ending.error:
        _log.warning("job failed", extra={**told, "code": ending.error.code, "error": ending.error.message})
    elif ending.reason not in (None, PauseReason.USER):
        code = ending.error.code if ending.error else None
        _log.warning("job paused by the engine", extra={**told, "reason": str(ending.reason), "code": code})
    else:
        _log.info("job ended", extra=told)
