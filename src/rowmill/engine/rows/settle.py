"""Turns attempts' outcomes into what the ledger stores, by the retry rule of ``rowmill.core.retry``."""

import logging
from collections.abc import Callable, Sequence
from random import Random

from rowmill.core.commit import Batch, Due, Postponed, Settled, Task
from rowmill.core.job import Attempt, Job, JobError
from rowmill.core.outcome import Done, StopJob
from rowmill.core.retry import Fail, PutOff, Succeed, rule
from rowmill.core.retry import Stop as StopRuling
from rowmill.core.spike import SpikeWatch
from rowmill.core.status import Action, RowStatus
from rowmill.engine.item import AttemptResult, Item
from rowmill.engine.rows.pauses import failure_spike
from rowmill.engine.stop import Stop

_log = logging.getLogger(__name__)


class Settler:
    """Settles the rows of one execution of ``job``; ``stop`` says, once it is set, why the job cannot go on."""

    def __init__(self, job: Job, random: Random, input_hash: Callable[[Item], int]) -> None:
        self._job = job
        self._input_hash = input_hash
        self._last_step = len(job.steps) - 1
        self._prices = [step.price for step in job.steps]
        self._spike: SpikeWatch | None = SpikeWatch(job.counts.total or 0, job.tolerated)
        self._random = random
        self.stop: Stop | None = None

    def settle(self, finished: Sequence[AttemptResult], max_attempts: int, now: float) -> Batch:
        """What one commit writes for the attempts that have come in."""
        batch = Batch()
        for result in finished:
            if result.outcome is None:
                batch.postponed.append(requeue_without_attempt(result.item, now))
                batch.uncertain += 1
                continue
            match self._ruled(result, max_attempts, now):
                case Settled() as settled:
                    batch.settled.append(settled)
                    self._watch(settled, batch)
                case Postponed() as postponed:
                    batch.postponed.append(postponed)
        return batch

    def ignore_spikes(self) -> None:
        """The job ends anyway, and what is now settled once more was counted before."""
        self._spike = None

    def _watch(self, settled: Settled, batch: Batch) -> None:
        if self._spike is None:
            return
        code = settled.attempt.code if settled.status is RowStatus.FAILED else None
        spike = self._spike.see(settled.number, code)
        batch.reopened += spike
        if spike and self.stop is None:
            self.stop = failure_spike(code or "", settled.attempt.message or "")

    def _ruled(self, result: AttemptResult, max_attempts: int, now: float) -> Settled | Postponed:
        task = result.item.task
        assert result.outcome is not None
        match rule(result.outcome, task.attempts + 1, max_attempts, self._random):
            case Succeed():
                return self._succeeded(result, now)
            case Fail(code=code, message=message):
                _log.warning("row failed", extra=self._about(task, code))
                made = self._attempt(result, "failed", code, message)
                return Settled(task.number, RowStatus.FAILED, made, task.carried)
            case PutOff(delay=delay, counts=counts, code=code, message=message):
                if _log.isEnabledFor(logging.INFO):
                    _log.info("row put off", extra={**self._about(task, code), "delay": round(delay, 3)})
                made = self._attempt(result, "put_off", code, message)
                again = Task(task.number, task.step, task.attempts + counts, task.crashes, task.carried, deferred=True)
                return Postponed(Due(now + delay, again), made)
            case StopRuling(code=code, message=message, hint=hint):
                self.stop = Stop(Action.FAIL, error=JobError(code, message, hint))
                return requeue_without_attempt(result.item, now)

    def _about(self, task: Task, code: str) -> dict[str, object]:
        """What the log says of a row: never a value of it, which messages may quote."""
        step = self._job.steps[task.step].name
        return {"job": self._job.id, "row": task.number, "step": step, "attempt": task.attempts + 1, "code": code}

    def _succeeded(self, result: AttemptResult, now: float) -> Settled | Postponed:
        task = result.item.task
        assert isinstance(result.outcome, Done)
        output = {**task.carried, **result.outcome.values} if task.carried else result.outcome.values
        made = self._attempt(result, "succeeded", None, None)
        if task.step < self._last_step:
            return Postponed(Due(now, Task(task.number, task.step + 1, carried=output, deferred=True)), made)
        record = result.item.record
        seen = 0 if record is None else self._input_hash(result.item)
        return Settled(task.number, RowStatus.SUCCEEDED, made, output, record, seen)

    def _attempt(self, result: AttemptResult, outcome: str, code: str | None, message: str | None) -> Attempt:
        assert result.outcome is not None
        assert not isinstance(result.outcome, StopJob)
        usage = result.outcome.usage
        task = result.item.task
        price = self._prices[task.step]
        cost = price.cost(usage.tokens_in, usage.tokens_out) if price else 0
        number = task.attempts + 1
        return Attempt(task.step, number, result.started_at, result.duration, outcome, code, message, usage, cost)


def requeue_without_attempt(item: Item, now: float) -> Postponed:
    """The row goes back as if it had not been result."""
    task = item.task
    again = Task(task.number, task.step, task.attempts, task.crashes, task.carried, deferred=True)
    return Postponed(Due(now, again), None)
