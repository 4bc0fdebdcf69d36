import logging
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from rowmill.core.commit import Task
from rowmill.core.job import Job, JobError
from rowmill.core.money import Price
from rowmill.core.outcome import Done, Failed, Outcome, RetryLater, StopJob, Usage
from rowmill.core.status import Action, PauseReason, RowStatus
from rowmill.engine.item import AttemptResult, Item
from rowmill.engine.rows.settle import Settler
from rowmill.engine.stop import Stop
from rowmill.ledger.store import Store
from tests.support.engine import job_of


@pytest.fixture
def job(store: Store) -> Job:
    return job_of(store, 3, steps=2, price=Price(1_000_000, 2_000_000))


def tried(outcome: Outcome | None, number: int = 1, **task: Any) -> AttemptResult:
    return AttemptResult(0, Item(Task(number, **task), {"n": number}), outcome, 50.0, 2.0)


def settler(job: Job) -> Settler:
    return Settler(job, Random(1), lambda item: hash(item.values["n"]) + 100)


def test_a_success_goes_on_to_the_next_step_at_once(job: Job) -> None:
    (next_,) = settler(job).settle([tried(Done({"a": 1}, Usage(3, 4)), attempts=1, crashes=1)], 3, 60.0).postponed
    assert next_.due.at == 60.0
    assert next_.due.task == Task(1, 1, carried={"a": 1}, deferred=True)
    assert next_.attempt is not None
    assert (next_.attempt.outcome, next_.attempt.number, next_.attempt.cost) == ("succeeded", 2, 11)


def test_the_last_steps_success_settles_the_row_with_all_outputs(job: Job) -> None:
    batch = settler(job).settle([tried(Done({"b": 2}), step=1, carried={"a": 1})], 3, 60.0)
    (settled,) = batch.settled
    assert settled.status is RowStatus.SUCCEEDED
    assert settled.output == {"a": 1, "b": 2}
    assert (settled.attempt.started_at, settled.attempt.duration) == (50.0, 2.0)
    assert (settled.record, settled.input_hash) == (None, 0)


def test_a_result_of_a_lasting_dataset_remembers_what_it_was_found_from(job: Job) -> None:
    item = Item(Task(3, step=1), {"n": 3}, record=8)
    (settled,) = settler(job).settle([AttemptResult(0, item, Done({"b": 2}), 50.0, 2.0)], 3, 60.0).settled
    assert (settled.number, settled.record, settled.input_hash) == (3, 8, 103)


def test_a_failure_keeps_what_earlier_steps_gave(job: Job) -> None:
    (settled,) = settler(job).settle([tried(Failed("bad", "Bad."), step=1, carried={"a": 1})], 3, 60.0).settled
    assert (settled.status, settled.attempt.code, settled.output) == (RowStatus.FAILED, "bad", {"a": 1})


def test_a_retry_waits_as_long_as_was_asked_and_costs_an_attempt(job: Job) -> None:
    (again,) = settler(job).settle([tried(RetryLater("flaky", "Again.", after=30.0), crashes=1)], 3, 60.0).postponed
    assert again.due.at == 90.0
    assert again.due.task == Task(1, attempts=1, crashes=1, deferred=True)


def test_the_last_attempt_fails_the_row(job: Job) -> None:
    (settled,) = settler(job).settle([tried(RetryLater("flaky", "Again."), attempts=2)], 3, 60.0).settled
    assert (settled.status, settled.attempt.number, settled.attempt.code) == (RowStatus.FAILED, 3, "flaky")


def test_a_refusal_by_the_gate_costs_no_attempt(job: Job) -> None:
    batch = settler(job).settle([tried(RetryLater("rate_limited", "Wait.", gate=True), attempts=2)], 3, 60.0)
    assert [p.due.task.attempts for p in batch.postponed] == [2]


def test_what_stops_the_job_leaves_the_row_unburnt(job: Job) -> None:
    settling = settler(job)
    (back,) = settling.settle([tried(StopJob("key_refused", "No.", "Set it."), attempts=1)], 3, 60.0).postponed
    assert (back.attempt, back.due.task.attempts) == (None, 1)
    assert settling.stop == Stop(Action.FAIL, error=JobError("key_refused", "No.", "Set it."))


def test_an_aborted_call_is_uncertain_and_its_row_unburnt(job: Job) -> None:
    batch = settler(job).settle([tried(None, attempts=1)], 3, 60.0)
    assert batch.uncertain == 1
    assert [(p.attempt, p.due.task.attempts) for p in batch.postponed] == [(None, 1)]


def test_a_spike_reopens_its_streak_and_pauses(job: Job) -> None:
    settling = settler(job)
    failures = [tried(Failed("bad", "Bad."), number) for number in (1, 2, 3)]
    assert settling.settle(failures[:2], 3, 60.0).reopened == []
    assert settling.settle(failures[2:], 3, 60.0).reopened == [1, 2, 3]
    stop = settling.stop
    assert stop is not None
    assert stop.error is not None
    assert (stop.action, stop.reason, stop.tolerate) == (Action.PAUSE, PauseReason.FAILURE_SPIKE, "bad")
    assert (stop.error.code, stop.error.message) == ("bad", "Bad.")


def test_a_tolerated_code_is_no_spike(job: Job) -> None:
    settling = settler(replace(job, tolerated="bad"))
    failures = [tried(Failed("bad", "Bad."), number) for number in (1, 2, 3)]
    assert settling.settle(failures, 3, 60.0).reopened == []
    assert settling.stop is None


def test_the_log_names_the_row_that_failed_or_was_put_off_and_quotes_nothing(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    outcomes: list[Outcome] = [Done({"a": 1}), Failed("bad", "a secret value"), RetryLater("timeout", "a secret value")]
    settler(job).settle([tried(outcome, n) for n, outcome in enumerate(outcomes, 1)], 3, 60.0)
    failed, put_off = caplog.records
    assert (failed.levelname, failed.message, put_off.levelname, put_off.message) == (
        "WARNING", "row failed", "INFO", "row put off",
    )  # fmt: skip
    names = ("job", "row", "step", "attempt", "code")
    assert [failed.__dict__[name] for name in names] == [job.id, 2, "step 0", 1, "bad"]
    assert [put_off.__dict__[name] for name in names] == [job.id, 3, "step 0", 1, "timeout"]
    assert "secret" not in f"{failed.__dict__}{put_off.__dict__}"
