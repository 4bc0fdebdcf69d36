from dataclasses import replace

import pytest

from rowmill.core.commit import Task
from rowmill.core.job import Job
from rowmill.core.money import Price
from rowmill.core.outcome import Done, Failed, RetryLater, StopJob, Usage
from rowmill.engine.rows.budget import BudgetTracker
from rowmill.ledger.store import Store
from tests.support.engine import job_of

PRICE = Price(1_000_000, 2_000_000)
"""One nano-dollar for a token in, two for one out."""

TASK = Task(1)


@pytest.fixture
def job(store: Store) -> Job:
    return job_of(store, 1, price=PRICE)


def steps(job: Job, *prices: Price | None) -> Job:
    """``job`` with a step of each of ``prices``."""
    return replace(job, steps=[replace(job.steps[0], price=price) for price in prices])


def test_the_first_call_runs_alone_as_nobody_knows_what_it_costs(job: Job) -> None:
    budget = BudgetTracker(job)
    assert budget.affords(TASK, budget=1)
    budget.reserve(TASK)
    assert not budget.affords(Task(2), budget=1_000_000)
    assert budget.settle(TASK, Done({}, Usage(4, 1))) == 6
    assert budget.affords(Task(2), budget=12)
    assert not budget.affords(Task(2), budget=11)


def test_each_call_is_taken_to_cost_what_the_max_cost_did(job: Job) -> None:
    budget = BudgetTracker(job)
    budget.settle(TASK, Failed("bad", "Bad.", Usage(10, 15)))
    budget.settle(Task(2), RetryLater("flaky", "Again.", usage=Usage(10, 5)))
    assert budget.affords(Task(3), budget=100)
    assert not budget.affords(Task(3), budget=99)
    budget.reserve(Task(3))
    assert budget.reserved == 40
    assert budget.affords(Task(4), budget=140)
    assert not budget.affords(Task(4), budget=139)
    budget.settle(Task(3), None)
    assert budget.reserved == 0


def test_what_the_max_cost_call_of_an_earlier_execution_cost_is_known(job: Job) -> None:
    budget = BudgetTracker(replace(job, cost=80), {0: 30})
    assert budget.affords(TASK, budget=110)
    assert not budget.affords(TASK, budget=109)
    budget.settle(TASK, Done({}, Usage(4, 1)))
    assert budget.estimate(TASK) == 30


def test_a_call_that_told_no_cost_says_nothing_of_the_next(job: Job) -> None:
    budget = BudgetTracker(job)
    for number, outcome in enumerate([None, StopJob("key_refused", "No."), RetryLater("timeout", "Late.")]):
        budget.reserve(Task(number))
        assert budget.settle(Task(number), outcome) == 0
        assert budget.estimate(TASK) is None
    budget.reserve(Task(9))
    assert not budget.affords(TASK, budget=1_000_000)


def test_calls_that_are_free_run_together(job: Job) -> None:
    budget = BudgetTracker(steps(job, Price(0, 0)))
    budget.reserve(Task(2))
    assert budget.affords(TASK, budget=1)
    budget.settle(Task(2), Done({}, Usage(4, 1)))
    assert budget.affords(TASK, budget=0)


def test_starts_from_what_the_job_has_cost(job: Job) -> None:
    assert not BudgetTracker(replace(job, cost=8)).affords(TASK, budget=8)
    assert BudgetTracker(replace(job, cost=8)).affords(TASK, budget=9)


def test_without_a_price_everything_is_free(job: Job) -> None:
    budget = BudgetTracker(steps(job, None))
    budget.settle(TASK, Done({}, Usage(1000, 1000)))
    assert budget.affords(TASK, budget=1)
    assert budget.estimate(TASK) == 0


def test_each_step_is_taken_to_cost_what_its_own_max_cost_call_did(job: Job) -> None:
    budget = BudgetTracker(steps(job, PRICE, Price(10_000_000, 20_000_000)))
    for step in (0, 1):
        budget.reserve(Task(1, step))
        budget.settle(Task(1, step), Done({}, Usage(4, 1)))  # 6 and 60
    assert (budget.estimate(Task(2, 0)), budget.estimate(Task(2, 1))) == (6, 60)
    budget.reserve(Task(2, 1))
    assert budget.affords(Task(3, 0), budget=66 + 60 + 6)
    assert not budget.affords(Task(3, 0), budget=66 + 60 + 5)
    assert not budget.affords(Task(3, 1), budget=66 + 60 + 6)


def test_the_first_call_of_a_later_step_runs_alone_too(job: Job) -> None:
    budget = BudgetTracker(steps(job, PRICE, PRICE))
    budget.reserve(Task(1, 0))
    budget.settle(Task(1, 0), Done({}, Usage(4, 1)))
    budget.reserve(Task(2, 0))
    assert not budget.affords(Task(1, 1), budget=1_000)
    budget.settle(Task(2, 0), Done({}, Usage(4, 1)))
    assert budget.affords(Task(1, 1), budget=1_000)
    budget.reserve(Task(1, 1))
    assert not budget.affords(Task(3, 0), budget=1_000)
    budget.settle(Task(1, 1), Done({}, Usage(4, 1)))
    assert budget.affords(Task(3, 0), budget=1_000)


def test_a_first_step_without_a_price_neither_waits_nor_is_waited_for(job: Job) -> None:
    budget = BudgetTracker(steps(job, None, PRICE))
    assert budget.affords(Task(1, 0), budget=0)
    budget.reserve(Task(1, 0))
    assert budget.affords(Task(2, 1), budget=10)
    budget.reserve(Task(2, 1))
    assert budget.affords(Task(3, 0), budget=0)
    budget.settle(Task(1, 0), Done({}, Usage(1000, 1000)))
    budget.settle(Task(2, 1), Done({}, Usage(4, 1)))
    assert budget.affords(Task(4, 1), budget=12)
    assert not budget.affords(Task(4, 1), budget=11)
