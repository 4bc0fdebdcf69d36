from dataclasses import replace

import pytest

from rowmill.engine.purse import Purse
from rowmill.model.budget import Price
from rowmill.model.job import Job
from rowmill.model.outcome import Done, Failed, RetryLater, StopJob, Usage
from rowmill.store.store import Store

from .harness import job_of

PRICE = Price(1_000_000, 2_000_000)
"""One nano-dollar for a token in, two for one out."""


@pytest.fixture
def job(store: Store) -> Job:
    return job_of(store, 1, price=PRICE)


def test_the_first_call_runs_alone_as_nobody_knows_what_it_costs(job: Job) -> None:
    purse = Purse(job)
    assert purse.affords(budget=1)
    purse.reserve(1)
    assert not purse.affords(budget=1_000_000)
    purse.settle(1, Done({}, Usage(4, 1)))
    assert purse.affords(budget=12)
    assert not purse.affords(budget=11)


def test_each_call_is_taken_to_cost_what_the_dearest_did(job: Job) -> None:
    purse = Purse(job)
    purse.settle(1, Failed("bad", "Bad.", Usage(10, 15)))
    purse.settle(2, RetryLater("flaky", "Again.", usage=Usage(10, 5)))
    assert purse.affords(budget=100)
    assert not purse.affords(budget=99)
    purse.reserve(3)
    assert purse.affords(budget=140)
    assert not purse.affords(budget=139)


def test_a_call_that_told_no_cost_says_nothing_of_the_next(job: Job) -> None:
    purse = Purse(job)
    for number, outcome in enumerate([None, StopJob("key_refused", "No."), RetryLater("timeout", "Late.")]):
        purse.reserve(number)
        purse.settle(number, outcome)
    purse.reserve(9)
    assert not purse.affords(budget=1_000_000)


def test_calls_that_are_free_run_together(job: Job) -> None:
    purse = Purse(replace(job, price=Price(0, 0)))
    purse.settle(1, Done({}, Usage(4, 1)))
    purse.reserve(2)
    assert purse.affords(budget=1)


def test_starts_from_what_the_job_has_cost(job: Job) -> None:
    assert not Purse(replace(job, cost=8)).affords(budget=8)
    assert Purse(replace(job, cost=8)).affords(budget=9)


def test_without_a_price_everything_is_free(job: Job) -> None:
    purse = Purse(replace(job, price=None))
    purse.settle(1, Done({}, Usage(1000, 1000)))
    assert purse.affords(budget=1)
