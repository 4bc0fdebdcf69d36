"""Whether a row may start now: concurrency, the limits of its connection, and the job's budget."""

from collections.abc import Sequence

from rowmill.engine.item import Item
from rowmill.engine.limiter import KeyLimiter, Limiter, Unlimited
from rowmill.engine.purse import Purse
from rowmill.engine.runtime import Runtime
from rowmill.engine.stop import Stop
from rowmill.model.job import Job, Settings
from rowmill.model.outcome import Outcome
from rowmill.model.status import PauseReason, Verb
from rowmill.plugins.contracts import Processor
from rowmill.store.store import Store


class Gatekeeper:
    """``stop`` says, once it is set, why nothing will pass any more."""

    def __init__(self, processors: Sequence[Processor], job: Job, store: Store, runtime: Runtime) -> None:
        self._processors = processors
        self._by_key: dict[str | None, Limiter] = {None: Unlimited()}
        for processor in processors:
            key = processor.limit_key
            if key is not None and key not in self._by_key:
                self._by_key[key] = KeyLimiter(key, store, runtime)
        self._runtime = runtime
        self._purse = Purse(job)
        self._next: Item | None = None
        self._wanted = 1
        self.stop: Stop | None = None
        self.steer(job.settings)

    def steer(self, settings: Settings) -> None:
        self._settings = settings
        own = [p.max_concurrency for p in self._processors if p.max_concurrency is not None]
        self.concurrency = min([settings.concurrency, *own])
        for limiter in self._by_key.values():
            limiter.steer(settings.rpm, settings.tpm)

    def admits(self, item: Item, now: float, in_flight: int) -> bool:
        """Whether ``item`` may start now, beside ``in_flight`` others."""
        self._next, self._wanted = item, self.concurrency - in_flight
        limiter = self._limiter(item)
        if limiter.gave_up:
            self.stop = Stop(Verb.PAUSE, PauseReason.RATE_LIMIT)
        if self._settings.budget is not None and not self._purse.affords(self._settings.budget):
            if not in_flight:
                self.stop = Stop(Verb.PAUSE, PauseReason.BUDGET)
            return False
        return limiter.ready(now)

    def begin(self, item: Item) -> None:
        self._next = None
        self._limiter(item).begin()
        if self._settings.budget is not None:
            self._purse.reserve(item.task.number)

    def end(self, item: Item, outcome: Outcome | None) -> None:
        self._limiter(item).end(outcome, self._runtime.now())
        self._purse.settle(item.task.number, outcome)

    def wake_at(self, now: float) -> float | None:
        """When the row that waits here may be let through, Unix seconds."""
        return self._limiter(self._next).wake_at(now) if self._next else None

    @property
    def hungry(self) -> bool:
        """Whether a row waits for a ``refresh``, or others must hear of a refusal."""
        if any(limiter.refused for limiter in self._by_key.values()):
            return True
        return self._next is not None and self._limiter(self._next).hungry

    async def refresh(self) -> None:
        """Brings the limits up to date with the store."""
        item = self._next
        for limiter in self._by_key.values():
            waits = item is not None and self._limiter(item) is limiter
            weight = self._weigh(item) if item is not None and waits and self._settings.tpm else 0
            await limiter.refresh(weight, self._wanted if waits else 0)

    def _limiter(self, item: Item) -> Limiter:
        return self._by_key[self._processors[item.task.step].limit_key]

    def _weigh(self, item: Item) -> int:
        return self._processors[item.task.step].weigh(item.inputs())
