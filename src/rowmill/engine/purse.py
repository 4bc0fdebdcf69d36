"""A job's money: each call reserves what it may cost, and pays what it did."""

from rowmill.model.job import Job
from rowmill.model.outcome import Done, Outcome, StopJob


class Purse:
    """Reserves for each call what the dearest one so far did cost. What a call costs is not known before the first has
    been paid: that one runs alone, so that no more than one call of unknown cost can go over the budget."""

    def __init__(self, job: Job) -> None:
        self._price = job.price
        self._spent = job.cost
        self._reserved: dict[int, int] = {}
        self._dearest: int | None = None

    def affords(self, budget: int) -> bool:
        """Whether one more call fits into ``budget`` (nano-dollars) beside those in flight."""
        if self._price is None:
            return True
        if self._dearest is None:
            return not self._reserved and self._spent < budget
        return self._spent + sum(self._reserved.values()) + self._dearest <= budget

    def reserve(self, number: int) -> None:
        self._reserved[number] = self._dearest or 0

    def settle(self, number: int, outcome: Outcome | None) -> None:
        """The call has ended, with ``None`` if it was aborted."""
        self._reserved.pop(number, None)
        if self._price is None or outcome is None or isinstance(outcome, StopJob):
            return
        cost = self._price.cost(outcome.usage.tokens_in, outcome.usage.tokens_out)
        self._spent += cost
        if cost or isinstance(outcome, Done):
            self._dearest = max(cost, self._dearest or 0)
