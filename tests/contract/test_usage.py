"""What was used is noted in the transaction that saves it, and what may be used is never handed out twice."""

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowmill.core.commit import Batch, Claim, Due, Postponed, Settled, Start, Task
from rowmill.core.errors import ClaimLost
from rowmill.core.outcome import Usage
from rowmill.core.status import Action, PauseReason, RowStatus
from rowmill.core.usage import Amount, UsageLimits, Used
from rowmill.ledger.store import Store
from rowmill.ledger.usage import day_of, days_of_month

from .bench import NOW, TODAY, Bench, attempt, settled

ONE = Amount(1)
NONE = Amount()


def used(bench: Bench) -> Used:
    return bench.store.usage.month(NOW)


def test_a_commit_notes_what_its_attempts_have_used(bench: Bench) -> None:
    claim = bench.claim(bench.job(3))
    bench.start(claim, 3)
    done = Settled(1, RowStatus.SUCCEEDED, attempt(None, 10, 2, 500), {"mood": "good"})
    again = Postponed(Due(NOW, Task(2, attempts=1, deferred=True)), attempt("timeout", 3, 1, 70))
    requeue_without_attempt = Postponed(Due(NOW, Task(3, deferred=True)), None)
    bench.ledger.commit(claim, Batch(settled=[done], postponed=[again, requeue_without_attempt], freed=[1, 2, 3]))
    expected = Used(rows=1, attempts=2, tokens_in=13, tokens_out=3, cost=570)
    assert used(bench) == expected
    job = bench.browse.job(claim.job)
    assert bench.store.usage.between(TODAY, TODAY, "day") == [(TODAY, expected)]
    assert bench.store.usage.between(TODAY, TODAY, "model") == [("python", expected)]
    assert bench.store.usage.between(TODAY, TODAY, "job") == [(job.id, expected)]
    assert (job.tokens_in, job.tokens_out, job.cost) == (13, 3, 570)


@pytest.mark.parametrize(
    "spent",
    [
        Usage(),
        Usage(10, 2),
        Usage(10, 2, cached=4),
        Usage(10, 2, cached=4, cache_write=6, reasoning=1, service_tier="flex", estimated=True),
    ],
)
def test_usage_comes_back_as_it_was_saved(bench: Bench, spent: Usage) -> None:
    claim = bench.claim(bench.job(1))
    bench.start(claim, 1)
    again = Postponed(Due(NOW, Task(1, attempts=1, deferred=True)), replace(attempt("timeout"), usage=spent))
    bench.ledger.commit(claim, Batch(postponed=[again], starts=[Start(1, again.due.task)], freed=[1]))
    done = Settled(1, RowStatus.SUCCEEDED, replace(attempt(), usage=spent), {"mood": "good"})
    bench.ledger.commit(claim, Batch(settled=[done], freed=[1]))
    [row] = bench.browse.rows(claim.job, 1, 1)
    assert [made.usage for made in row.attempts] == [spent]
    assert [made.usage for made in bench.browse.attempts(claim.job, row).attempts] == [spent, spent]


def test_usage_is_json_only_where_there_is_more_than_tokens_in_and_out(bench: Bench) -> None:
    claim = bench.claim(bench.job(2))
    bench.start(claim, 2)
    plain = Settled(1, RowStatus.SUCCEEDED, attempt(None, 10, 2), {"mood": "good"})
    detailed = Settled(2, RowStatus.SUCCEEDED, replace(attempt(), usage=Usage(10, 2, cached=4)), {"mood": "good"})
    bench.ledger.commit(claim, Batch(settled=[plain, detailed], freed=[1, 2]))
    stored = bench.store.database.read("SELECT usage FROM outcomes ORDER BY number")
    assert list(stored) == [(None,), ('{"cached":4}',)]


def test_a_claim_knows_what_the_dearest_call_of_each_step_has_cost(bench: Bench) -> None:
    claim = bench.claim(bench.job(3))
    assert claim.max_cost == ()
    bench.start(claim, 3)
    done = Settled(1, RowStatus.SUCCEEDED, attempt(None, 10, 2, 500), {"mood": "good"})
    free = Settled(3, RowStatus.SUCCEEDED, attempt(), {"mood": "good"})
    again = Postponed(Due(NOW, Task(2, attempts=1, deferred=True)), attempt("invalid_output", 3, 1, 700))
    bench.ledger.commit(claim, Batch(settled=[done, free], postponed=[again], freed=[1, 2, 3]))
    bench.ledger.finish(claim, Action.RELEASE, NOW)
    assert bench.claim(claim.job).max_cost == ((0, 700),)


def test_an_attempt_counts_on_the_day_on_which_it_ended(bench: Bench) -> None:
    midnight = NOW - NOW % 86_400 + 86_400
    claim = bench.claim(bench.job(2))
    bench.start(claim, 2)
    before, after = (
        Settled(n, RowStatus.SUCCEEDED, replace(attempt(), started_at=midnight - 10, duration=lasts), {"mood": "good"})
        for n, lasts in ((1, 9.5), (2, 10.0))
    )
    bench.ledger.commit(claim, Batch(settled=[before, after], freed=[1, 2]))
    days = bench.store.usage.between(TODAY, "2023-11-30", "day")
    assert [(day, each.rows) for day, each in days] == [(TODAY, 1), ("2023-11-15", 1)]


def test_a_refused_commit_uses_nothing(bench: Bench, other: Store) -> None:
    claim = bench.claim(bench.job(1))
    bench.start(claim)
    other.control.take_over(claim.job, NOW)
    with pytest.raises(ClaimLost):
        bench.settle(claim, 1)
    assert used(bench) == Used()


def test_a_row_that_is_retried_counts_again_and_usage_outlives_its_job(bench: Bench) -> None:
    job = bench.completed(3, failed=(1,))
    bench.control.retry(job, NOW)
    claim = bench.claim(job)
    bench.start_again(claim)
    bench.settle(claim, 1)
    assert bench.ledger.finish(claim, Action.COMPLETE, NOW)
    assert (used(bench).rows, used(bench).attempts) == (4, 4)
    bench.control.delete(job, NOW)
    bench.store.purge()
    assert used(bench).rows == 4


def test_usage_is_paged_and_only_of_the_days_that_are_asked_for(bench: Bench) -> None:
    for _ in range(3):
        bench.completed(2)
    usage = bench.store.usage
    (first, _), (second, _) = usage.between(TODAY, TODAY, "job", limit=2)
    ((third, each),) = usage.between(TODAY, TODAY, "job", second, 2)
    assert first < second < third
    assert each.rows == 2
    assert usage.between("2023-11-15", "2023-11-30", "job") == []
    assert usage.total("2023-10-01", "2023-11-14").rows == 6


def test_a_month_has_all_its_days_and_no_other() -> None:
    assert days_of_month(NOW) == ("2023-11-01", "2023-11-31")
    assert (day_of(1_706_745_599.9), day_of(1_706_745_600.0)) == ("2024-01-31", "2024-02-01")


def test_limits_are_set_and_removed_by_name_unless_somebody_was_faster(bench: Bench, other: Store) -> None:
    usage = bench.store.usage
    assert usage.limits() == UsageLimits()
    assert usage.set_limits({"rows_per_month": 5, "cost_per_month": 7})
    assert other.usage.set_limits({"rows_per_month": 6}, expected=UsageLimits(5, 7))
    assert not usage.set_limits({"rows_per_month": 9}, expected=UsageLimits(5, 7))
    assert usage.limits() == UsageLimits(6, 7)
    assert usage.set_limits({"cost_per_month": None})
    assert usage.limits() == UsageLimits(6)


def test_a_working_engine_hears_of_limits_with_its_next_commit_and_its_next_look(bench: Bench, other: Store) -> None:
    claim = bench.claim(bench.job(2))
    assert not bench.ledger.poll_control(claim).limits
    other.usage.set_limits({"rows_per_month": 0})
    assert bench.ledger.poll_control(claim).limits == UsageLimits(rows=0)
    assert bench.ledger.commit(claim, Batch(starts=[Start(1, Task(1))])).limits == UsageLimits(rows=0)


def lease(store: Store, claim: Claim, held: int = 0, want: int = 10) -> int:
    return store.allowances.lease(claim, Amount(held), ONE, Amount(want), NOW).amount.rows


def test_what_one_engine_holds_is_not_granted_to_another(bench: Bench, other: Store) -> None:
    bench.store.usage.set_limits({"rows_per_month": 12})
    mine, theirs = (bench.claim(bench.job(20)) for _ in range(2))
    assert lease(bench.store, mine, held=1, want=7) == 7
    assert lease(other, theirs) == 4
    refused = other.allowances.lease(theirs, Amount(4), ONE, ONE, NOW)
    assert (refused.amount, refused.reached) == (NONE, None)
    assert bench.store.allowances.lease(mine, ONE, NONE, NONE, NOW).amount == NONE  # gives seven back
    assert lease(other, theirs, held=4) == 7


def test_what_a_dead_engine_holds_is_free_again(bench: Bench, other: Store) -> None:
    bench.store.usage.set_limits({"rows_per_month": 10})
    mine, theirs = (bench.claim(bench.job(20)) for _ in range(2))
    assert lease(bench.store, mine) == 10
    assert lease(other, theirs) == 0
    bench.crash(mine)
    assert lease(other, theirs) == 10


def test_a_limit_is_reached_once_it_is_used_and_not_while_others_may_give_theirs_back(bench: Bench) -> None:
    bench.store.usage.set_limits({"rows_per_month": 2})
    claim = bench.claim(bench.job(3))
    bench.start(claim, 3)
    bench.settle(claim, 1, 2)
    grant = bench.store.allowances.lease(claim, NONE, ONE, ONE, NOW)
    assert (grant.amount, grant.reached) == (NONE, "rows")
    assert bench.store.allowances.lease(claim, NONE, ONE, ONE, NOW + 31 * 86_400).amount == ONE


def test_what_costs_nothing_goes_on_where_all_the_money_is_spent(bench: Bench) -> None:
    bench.store.usage.set_limits({"cost_per_month": 100})
    claim = bench.claim(bench.job(2))
    bench.start(claim, 2)
    dear = replace(settled(1), attempt=attempt(None, 0, 0, 130))
    bench.ledger.commit(claim, Batch(settled=[dear], freed=[1]))
    refused = bench.store.allowances.lease(claim, NONE, Amount(1, 1), Amount(4, 4), NOW)
    assert (refused.amount, refused.reached) == (NONE, "cost")
    assert bench.store.allowances.lease(claim, NONE, ONE, Amount(4), NOW).amount == Amount(4)


acts = st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(0, 6), st.integers(0, 6)), max_size=40)
months = count(1)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 20), acts)
def test_engines_that_start_only_what_they_are_granted_never_work_more_rows_than_the_limit(
    bench: Bench, limit: int, acts: list[tuple[int, int, int]]
) -> None:
    now = NOW + next(months) * 40 * 86_400  # a month that nothing was used in
    bench.store.usage.set_limits({"rows_per_month": limit})
    claims = [bench.claim(bench.job(40)) for _ in range(3)]
    granted, flying = [0, 0, 0], [0, 0, 0]
    for who, starts, ends in acts:
        wanted = Amount(starts)
        granted[who] = bench.store.allowances.lease(claims[who], Amount(flying[who]), ONE, wanted, now).amount.rows
        begun = min(starts, granted[who])
        if begun:
            bench.start(claims[who], begun)
        flying[who] += begun
        rows = [n for (n,) in bench.store.database.read("SELECT number FROM slots WHERE job = ?", (claims[who].job,))]
        over = [replace(settled(n), attempt=replace(attempt(), started_at=now)) for n in rows[:ends]]
        bench.ledger.commit(claims[who], Batch(settled=over, freed=rows[:ends]))
        flying[who] -= len(over)
        assert bench.store.usage.month(now).rows + sum(flying) <= limit
    for claim in claims:
        bench.crash(claim)


def test_only_detached_jobs_that_were_paused_for_the_reason_go_on(bench: Bench) -> None:
    def paused(reason: PauseReason, *, detached: bool) -> int:
        job = bench.submit(bench.dataset(1), [(1, 1)], detached=detached)
        bench.control.pause(job, NOW, reason)
        return job

    mine = paused(PauseReason.USAGE_LIMIT, detached=False)
    other_reason = paused(PauseReason.USER, detached=True)
    meant = paused(PauseReason.USAGE_LIMIT, detached=True)
    assert bench.store.queue.paused_jobs(PauseReason.USAGE_LIMIT) == [meant]
    went_on = [
        bench.store.queue.requeue(job, PauseReason.USAGE_LIMIT, NOW) for job in (mine, other_reason, meant, meant)
    ]
    assert went_on == [False, False, True, False]
    job = bench.browse.job(meant)
    assert (job.status, job.pause_reason, job.detached) == ("pending", None, True)
    assert bench.store.events.after(0, 100, job.id)[-1].type == "job.pending"
