"""What a dead engine leaves: uncertain calls, rows that remember their crashes, and requests."""

from contextlib import suppress

import pytest

from rowmill.core.commit import Claim
from rowmill.core.errors import IllegalTransition
from rowmill.core.status import Action, JobStatus, RowStatus

from .bench import NOW, Bench


def _crash_and_start_again(bench: Bench, claim: Claim) -> Claim:
    bench.crash(claim)
    claim = bench.claim(claim.job)
    bench.start_again(claim)
    return claim


def test_the_occupied_slots_are_the_uncertain_calls(bench: Bench) -> None:
    claim = bench.claim(bench.job(10))
    bench.start(claim, 5)
    bench.settle(claim, 1, 2)
    bench.crash(claim)
    assert bench.browse.job(claim.job).running == 3
    successor = bench.claim(claim.job)
    job = bench.browse.job(claim.job)
    assert (job.uncertain, job.running) == (3, 0)
    assert [task.number for task in bench.start_again(successor)] == [3, 4, 5]
    assert bench.start(successor, 10) == [6, 7, 8, 9, 10]


def test_the_execution_ends_as_crashed_and_tells_what_it_did(bench: Bench) -> None:
    claim = bench.claim(bench.job(10))
    bench.start(claim, 5)
    bench.settle(claim, 1, 2)
    _crash_and_start_again(bench, claim)
    first, second = bench.browse.executions(claim.job)
    assert (first.ended_as, first.processed, first.uncertain) == ("crashed", 2, 3)
    assert (second.ended_as, second.number, second.processed, second.uncertain) == (None, 2, 0, 0)


def test_a_crash_keeps_a_rows_attempts(bench: Bench) -> None:
    claim = bench.claim(bench.job(1))
    bench.start(claim)
    bench.put_off(claim, 1)
    bench.crash(claim)
    claim = bench.claim(claim.job)
    (task,) = bench.start_again(claim)
    assert (task.attempts, task.crashes) == (1, 0)
    bench.crash(claim)
    claim = bench.claim(claim.job)
    (task,) = bench.start_again(claim)
    assert (task.attempts, task.crashes) == (1, 1)


def test_the_third_crash_fails_the_row_and_only_that(bench: Bench) -> None:
    claim = bench.claim(bench.job(3))
    bench.start(claim, 1)
    claim = _crash_and_start_again(bench, claim)
    claim = _crash_and_start_again(bench, claim)
    bench.start(claim, 1)
    assert bench.browse.job(claim.job).counts.failed == 0
    claim = _crash_and_start_again(bench, claim)

    job = bench.browse.job(claim.job)
    assert (job.counts.failed, job.counts.unprocessed, job.uncertain) == (1, 2, 4)
    assert job.uncertain == sum(execution.uncertain for execution in bench.browse.executions(claim.job))
    rows = bench.browse.rows(claim.job, 1, 3)
    assert [(row.status, row.code) for row in rows] == [
        (RowStatus.FAILED, "crashed_process"),
        (RowStatus.RUNNING, None),
        (RowStatus.PENDING, None),
    ]


def test_a_row_that_is_retried_after_its_third_crash_starts_anew(bench: Bench) -> None:
    claim = bench.claim(bench.job(1))
    bench.start(claim)
    for _ in range(3):
        claim = _crash_and_start_again(bench, claim)
    assert bench.ledger.finish(claim, Action.COMPLETE, NOW)
    assert bench.control.retry(claim.job, NOW, codes=["crashed_process"]) == 1
    (task,) = bench.start_again(bench.claim(claim.job))
    assert (task.attempts, task.crashes) == (0, 0)


def test_the_lines_of_dead_engines_go_with_their_claims(bench: Bench) -> None:
    claim = bench.claim(bench.job())
    before = bench.count("engines")
    bench.crash(claim)
    bench.claim(claim.job)
    assert bench.count("engines") == before


@pytest.mark.parametrize(
    ("requested_action", "verb", "status"),
    [
        ("pause", "pause", JobStatus.PAUSED),
        ("pause", "cancel", JobStatus.CANCELLED),
        ("pause", "resume", JobStatus.PENDING),
        ("pause", "delete", None),
        ("cancel", "cancel", JobStatus.CANCELLED),
        ("cancel", "pause", JobStatus.CANCELLED),
        ("cancel", "resume", JobStatus.CANCELLED),
        ("cancel", "delete", None),
    ],
)
def test_an_engine_that_dies_before_it_obeyed_leaves_the_request_to_the_next_who_speaks(
    bench: Bench, requested_action: str, verb: str, status: JobStatus | None
) -> None:
    claim = bench.claim(bench.job())
    bench.start(claim, 2)
    getattr(bench.control, requested_action)(claim.job, NOW)
    bench.crash(claim)
    with suppress(IllegalTransition):  # what counts is how the job stands
        getattr(bench.control, verb)(claim.job, NOW)
    found = bench.browse.jobs()
    assert [job.status for job in found] == ([status] if status else [])
    assert not any(job.stopping or job.interrupted for job in found)


def test_a_claim_obeys_the_pause_that_a_dead_engine_did_not(bench: Bench) -> None:
    claim = bench.claim(bench.job())
    bench.control.pause(claim.job, NOW)
    bench.crash(claim)
    with pytest.raises(IllegalTransition, match="A paused job cannot be claimed"):
        bench.claim(claim.job)
    assert bench.status(claim.job) is JobStatus.PAUSED
