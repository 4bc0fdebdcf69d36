"""Whether a row may start now: concurrency, the limits of its connection, the job's budget, and the month's usage."""

from collections.abc import Sequence

from rowmill.connections.connect import meter_of
from rowmill.core.commit import Claim
from rowmill.core.job import Job, Settings, Step
from rowmill.core.outcome import Outcome
from rowmill.core.usage import UsageLimits
from rowmill.engine.item import Item
from rowmill.engine.rows import pauses
from rowmill.engine.rows.allowance import Allowance
from rowmill.engine.rows.budget import BudgetTracker
from rowmill.engine.rows.limiter import KeyLimiter, Limiter, Unlimited
from rowmill.engine.runtime import Runtime
from rowmill.engine.stop import Stop
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Processor


class Gatekeeper:
    """``stop`` says, once it is set, why nothing will pass any more."""

    def __init__(self, processors: Sequence[Processor], job: Job, claim: Claim, store: Store, runtime: Runtime) -> None:
        self._processors = processors
        self._job = job
        self._runtime = runtime
        self._store = store
        self._limiters: dict[tuple[str, str | None], KeyLimiter] = {}
        self._of_step = [self._limiter_of(*each) for each in zip(job.steps, processors, strict=True)]
        self._budget = BudgetTracker(job, dict(claim.max_cost))
        self._allowance = Allowance(claim, self._budget, store, runtime)
        self._next: Item | None = None
        self._wanted = 1
        self.stop: Stop | None = None
        self._follow(job.settings)

    def update_settings(self, settings: Settings) -> None:
        if settings != self._settings:
            self.stop = None  # it is found again where it still holds
            self._follow(settings)

    def _follow(self, settings: Settings) -> None:
        self._settings = settings
        own = [p.max_concurrency for p in self._processors if p.max_concurrency is not None]
        self.concurrency = min([settings.concurrency, *own])
        for limiter in self._limiters.values():
            limiter.update_settings(settings.rpm, settings.tpm)

    def limit(self, limits: UsageLimits) -> None:
        """What the month's usage limits are at present."""
        if limits != self._allowance.limits:
            self.stop = None
        self._allowance.follow(limits)

    def admits(self, item: Item, now: float, in_flight: int) -> bool:
        """Whether ``item`` may start now, beside ``in_flight`` others."""
        self._next, self._wanted = item, self.concurrency - in_flight
        limiter = self._limiter(item)
        if limiter.gave_up:
            self.stop = pauses.rate_limit(self._job)
        if self._settings.budget is not None and not self._budget.affords(item.task, self._settings.budget):
            if not in_flight:
                self.stop = pauses.budget(self._job, self._settings)
            return False
        if not self._allowance.admits(item.task, self._wanted):
            if not in_flight and self._allowance.reached:
                self.stop = pauses.usage_limit(self._allowance.limits, self._allowance.reached)
            return False
        return limiter.ready(now)

    def begin(self, item: Item) -> None:
        self._next = None
        self._limiter(item).begin()
        self._allowance.begin(item.task)
        self._budget.reserve(item.task)

    def end(self, item: Item, outcome: Outcome | None) -> None:
        self._limiter(item).end(outcome, self._runtime.now())
        self._allowance.end(item.task.number, self._budget.settle(item.task, outcome))

    def saved(self, item: Item) -> None:
        """What became of ``item`` is in the store."""
        self._allowance.saved(item.task.number)

    def wake_at(self, now: float) -> float | None:
        """When the row that waits here may be let through, Unix seconds."""
        return self._limiter(self._next).wake_at(now) if self._next else None

    @property
    def needs_refill(self) -> bool:
        """Whether a row waits for a ``refresh``, or others must hear of a refusal."""
        if any(limiter.refused for limiter in self._limiters.values()):
            return True
        return self._next is not None and (self._allowance.needs_refill or self._limiter(self._next).needs_refill)

    async def refresh(self) -> None:
        """Brings the limits up to date with the store."""
        await self._allowance.refresh()
        item = self._next
        for limiter in self._limiters.values():
            waits = item is not None and self._limiter(item) is limiter
            weight = self._weigh(item) if item is not None and waits and limiter.counts_tokens else 0
            await limiter.refresh(weight, self._wanted if waits else 0)

    def _limiter_of(self, step: Step, processor: Processor) -> Limiter:
        """One for all steps that share a quota and go over the same connection, if any."""
        if processor.limit_key is None:
            return Unlimited()
        name = (processor.limit_key, step.connection)
        if name not in self._limiters:
            self._limiters[name] = KeyLimiter(
                processor.limit_key, self._store, self._runtime, meter_of(self._store, step)
            )
        return self._limiters[name]

    def _limiter(self, item: Item) -> Limiter:
        return self._of_step[item.task.step]

    def _weigh(self, item: Item) -> int:
        return self._processors[item.task.step].weigh(item.inputs())
