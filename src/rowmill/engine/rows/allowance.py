"""What the month's usage limits let this engine start, beside every other engine on the store.

It is asked for in portions: as many rows as the engine has begun since it asked last, twice over, so that at full speed
it asks now and then; what is not used goes back after a moment. Where no limit is set nothing is asked.
"""

from rowmill.core.commit import Claim, Task
from rowmill.core.usage import UNLIMITED, Amount, UsageLimits
from rowmill.engine.rows.budget import BudgetTracker
from rowmill.engine.runtime import Runtime
from rowmill.ledger.store import Store

_IDLE = 1.0
"""Seconds without a start after which what is left of a portion goes back."""


class Allowance:
    """``reached`` says which limit leaves no room although nothing of this engine is in flight (``rows``, ``cost``)."""

    def __init__(self, claim: Claim, budget: BudgetTracker, store: Store, runtime: Runtime) -> None:
        self._claim = claim
        self._budget = budget
        self._store = store
        self._runtime = runtime
        self.limits = UNLIMITED
        self.reached: str | None = None
        self._left = [0, 0]  # rows and nano-dollars that may still be started
        self._begun = [0, 0]  # that have been, since the last portion was asked for
        self._held: dict[int, int] = {}
        self._holds = 0
        self._moved_at = 0.0
        self._next: Task | None = None
        self._wanted = 0
        self._refused = False

    def follow(self, limits: UsageLimits) -> None:
        """What the limits are at present."""
        if limits != self.limits:
            self.limits = limits
            self.reached, self._next, self._refused = None, None, False
            self._left = [0, 0]

    def admits(self, task: Task, wanted: int) -> bool:
        """Whether a call for ``task`` may start now, as one of ``wanted`` that could."""
        if not self.limits:
            return True
        if self.limits.cost is not None and not self._budget.is_clear_for(task):
            return False
        if Amount(*self._left).covers(self._need(task)):
            return True
        self._next, self._wanted = task, wanted
        return False

    def begin(self, task: Task) -> None:
        """The call for ``task``, which was admitted, starts."""
        if not self.limits:
            return
        self._next, self._refused = None, False
        self._moved_at = self._runtime.now()
        cost = self._need(task).cost
        self._held[task.number] = cost
        for index, amount in enumerate((1, cost)):
            self._left[index] -= amount
            self._begun[index] += amount

    def end(self, number: int, cost: int) -> None:
        """The call for row ``number`` has ended and cost so much, but that is not saved yet."""
        if number in self._held:
            self._left[1] += self._held[number] - cost
            self._held[number] = cost

    def saved(self, number: int) -> None:
        """What became of the call for row ``number`` counts as used, or is of no account."""
        self._held.pop(number, None)

    @property
    def needs_refill(self) -> bool:
        """Whether a row waits for a ``refresh``."""
        return self._next is not None and not self._refused

    async def refresh(self) -> None:
        """Asks for what the row that waits needs and some more, or gives back what is of no use."""
        task = self._next
        if task is not None:
            need = self._need(task)
            rows = max(self._wanted, 2 * self._begun[0], 1)
            await self._lease(need, Amount(rows, rows * need.cost))
        elif self._holds > len(self._held) and self._runtime.now() - self._moved_at >= _IDLE:
            await self._lease(Amount(), Amount())

    async def _lease(self, need: Amount, want: Amount) -> None:
        held = Amount(len(self._held), sum(self._held.values()))
        self._begun = begun = [0, 0]
        limits = self.limits
        args = (self._claim, held, need, want, self._runtime.now())
        grant = await self._runtime.save(self._store.allowances.lease, *args)
        if limits != self.limits:
            return  # and it is asked anew
        self._holds = held.rows + grant.amount.rows
        self._left = [grant.amount.rows - begun[0], grant.amount.cost - begun[1]]
        self._moved_at = self._runtime.now()
        self._refused = not grant.amount.covers(need)
        if not self._refused:
            self._next = None
        self.reached = None if held.rows else grant.reached

    def _need(self, task: Task) -> Amount:
        if self.limits.cost is None:
            return Amount(1)
        cost = self._budget.estimate(task)
        return Amount(1, 1 if cost is None else cost)
