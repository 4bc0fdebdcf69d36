"""An engine: claims jobs for this process, runs them, and is known as alive for as long as the process lives.

What happens after a crash: the dead process holds its lock no more, so the next claim (or pause, or cancel) of its job
finds it dead and frees what it held (``rowmill.store.burial``); the rows that were in flight are tried again.
"""

from collections.abc import Sequence

from rowmill.engine.backends.local import LocalBackend
from rowmill.engine.exporter import Exporter
from rowmill.engine.feeder import Feeder
from rowmill.engine.importer import Importer
from rowmill.engine.inputs import Inputs
from rowmill.engine.runner import Runner
from rowmill.engine.runtime import Runtime
from rowmill.engine.stop import Stopper
from rowmill.engine.transfer import TransferRunner, Watch
from rowmill.model.job import Job, Step
from rowmill.model.status import JobType, Verb
from rowmill.plugins.contracts import Processor, ProcessorFactory
from rowmill.plugins.registry import load
from rowmill.store.store import Store


def processor_of(step: Step) -> Processor:
    """The processor of one step. Raises ``UsageError`` where it cannot work here (no key, not installed)."""
    factory: ProcessorFactory = load("processors", step.processor)
    return factory(step.config, step.outputs)


class Engine:
    """``engine`` is the name under which the store knows this process as alive."""

    def __init__(self, store: Store, engine: str, runtime: Runtime) -> None:
        self._store = store
        self._engine = engine
        self._runtime = runtime
        self._runner: Runner | TransferRunner | None = None
        self._aborted = False
        self._released = False

    async def run(self, job: Job, processors: Sequence[Processor] = ()) -> Verb:
        """Claims ``job`` and works it until it stops; returns by which verb it did.

        Raises ``Busy`` where another process has it, ``IllegalTransition``, ``Fenced``, ``StoreError``, and
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
                runner.release()
            return await runner.run()
        finally:
            self._runner = None
            for processor in processors:
                await processor.close()

    def abort(self) -> None:
        """Stops at once; see ``Runner.abort``."""
        self._aborted = True
        if self._runner:
            self._runner.abort()

    def release(self) -> None:
        """Lets what is in flight end and leaves the job to another engine."""
        self._released = True
        if self._runner:
            self._runner.release()

    async def _prepare(self, job: Job, processors: Sequence[Processor]) -> Runner | TransferRunner:
        claim = await self._runtime.save(self._store.ledger.claim, job.pk, self._engine, self._runtime.now())
        claimed = await self._runtime.load(self._store.browse.job, job.pk)
        if job.type is not JobType.ENRICHMENT:
            stopper = Stopper()
            mover: type[Importer | Exporter] = Importer if job.type is JobType.IMPORT else Exporter
            watch = Watch(self._store, claim, stopper)
            return TransferRunner(self._store, claim, mover(self._store, claim, claimed, watch), stopper, self._runtime)
        dataset = await self._runtime.load(self._store.datasets.get, job.dataset)
        backend = LocalBackend(self._store, claim, self._runtime)
        inputs = Inputs(self._store, dataset, claimed.steps, claimed.stamp)
        feeder = Feeder(self._store, claim, claimed, inputs, backend, self._runtime)
        return Runner(self._store, claim, claimed, processors, feeder, self._runtime)
