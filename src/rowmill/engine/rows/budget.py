"""A job's money: each call reserves what it may cost, and pays what it did."""

from collections.abc import Mapping
from types import MappingProxyType

from rowmill.core.commit import Task
from rowmill.core.job import Job
from rowmill.core.outcome import Done, Outcome, StopJob

NOTHING: Mapping[int, int] = MappingProxyType({})


class BudgetTracker:
    """Reserves for each call the highest cost of its step so far. ``max_cost`` holds the highest costs of earlier
    executions, in nano-dollars by step. The cost of a step's calls is unknown until the first one has been paid for, so
    that call runs alone among those that cost anything: at most one call of unknown cost can exceed the budget. A step
    without a known price costs nothing."""

    def __init__(self, job: Job, max_cost: Mapping[int, int] = NOTHING) -> None:
        self._prices = [step.price if step.price and step.price.charges else None for step in job.steps]
        self._spent = job.cost
        self._reserved: dict[int, int] = {}
        self.reserved = 0
        """Nano-dollars that the calls in flight may cost."""
        self._max_cost: list[int | None] = [max_cost.get(step) for step in range(len(job.steps))]
        self._probe: int | None = None

    def affords(self, task: Task, budget: int) -> bool:
        """Whether a call for ``task`` fits into ``budget`` (nano-dollars) beside those in flight."""
        if self._prices[task.step] is None:
            return True
        if not self.is_clear_for(task):
            return False
        max_cost = self._max_cost[task.step]
        return self._spent < budget if max_cost is None else self._spent + self.reserved + max_cost <= budget

    def is_clear_for(self, task: Task) -> bool:
        """Whether no call of unknown cost is in flight, and none that costs anything where this is one."""
        if self._prices[task.step] is None:
            return True
        return self._probe is None and (self._max_cost[task.step] is not None or not self._reserved)

    def estimate(self, task: Task) -> int | None:
        """Nano-dollars that a call for ``task`` is taken to cost; ``None`` where nobody knows yet."""
        return 0 if self._prices[task.step] is None else self._max_cost[task.step]

    def reserve(self, task: Task) -> None:
        if self._prices[task.step] is None:
            return
        max_cost = self._max_cost[task.step]
        self._reserved[task.number] = max_cost or 0
        self.reserved += max_cost or 0
        if max_cost is None:
            self._probe = task.number

    def settle(self, task: Task, outcome: Outcome | None) -> int:
        """The call has ended, with ``None`` if it was aborted; returns what it cost."""
        price = self._prices[task.step]
        if price is None:
            return 0
        self.reserved -= self._reserved.pop(task.number, 0)
        if self._probe == task.number:
            self._probe = None
        if outcome is None or isinstance(outcome, StopJob):
            return 0
        cost = price.cost(outcome.usage.tokens_in, outcome.usage.tokens_out)
        self._spent += cost
        if cost or isinstance(outcome, Done):
            self._max_cost[task.step] = max(cost, self._max_cost[task.step] or 0)
        return cost
