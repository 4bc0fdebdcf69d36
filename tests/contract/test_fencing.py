"""An engine that was presumed dead cannot overwrite its successor."""

from collections.abc import Callable

import pytest

from rowmill.core.commit import Batch, Chunk, Claim, Due, Postponed, Start, Task
from rowmill.core.errors import Busy, ClaimLost
from rowmill.core.status import Action
from rowmill.ledger.ledger import Ledger
from rowmill.ledger.store import Store

from .bench import NOW, Bench, attempt, settled

EVERYTHING = Batch(
    settled=[settled(1)],
    postponed=[Postponed(Due(NOW, Task(2, deferred=True)), attempt("timeout"))],
    starts=[Start(1, Task(3))],
    freed=[2],
    chunks=[Chunk(4, 3)],
    uncertain=1,
)
VERBS: dict[str, Callable[[Ledger, Claim], object]] = {
    "commit": lambda ledger, claim: ledger.commit(claim, EVERYTHING),
    "take_chunk": lambda ledger, claim: ledger.take_chunk(claim, 1),
    "poll_control": lambda ledger, claim: ledger.poll_control(claim),
    "complete": lambda ledger, claim: ledger.finish(claim, Action.COMPLETE, NOW),
    "fail": lambda ledger, claim: ledger.finish(claim, Action.FAIL, NOW),
    "release": lambda ledger, claim: ledger.finish(claim, Action.RELEASE, NOW),
}


def _by_take_over(bench: Bench, claim: Claim) -> None:
    bench.control.take_over(claim.job, NOW)


def _by_successor(bench: Bench, claim: Claim) -> None:
    bench.crash(claim)
    bench.start(bench.claim(claim.job))


def _by_end(bench: Bench, claim: Claim) -> None:
    bench.crash(claim)
    bench.control.cancel(claim.job, NOW)


def _by_release(bench: Bench, claim: Claim) -> None:
    bench.ledger.finish(claim, Action.RELEASE, NOW)


TRANSFERS: dict[str, Callable[[Bench, Claim], object]] = {
    "commit_import_batch": lambda bench, claim: bench.bring(claim, ["b", "Ben"], ["a", "Anna"], end=True),
    "commit_export_batch": lambda bench, claim: bench.commit_export_batch(claim, 2, 3),
    "rewind": lambda bench, claim: bench.store.transfers.rewind(claim),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("lost", [_by_take_over, _by_successor, _by_end, _by_release])
def test_who_has_lost_the_job_changes_nothing_any_more(
    bench: Bench, other: Store, lost: Callable[[Bench, Claim], None], verb: str
) -> None:
    claim = bench.claim(bench.job(4))
    bench.start(claim, 2)
    lost(bench, claim)
    before = bench.lines(claim.job)
    for ledger in (bench.ledger, other.ledger):
        with pytest.raises(ClaimLost):
            VERBS[verb](ledger, claim)
    assert bench.lines(claim.job) == before


@pytest.mark.parametrize("verb", TRANSFERS)
def test_who_has_lost_an_import_or_export_writes_nothing_any_more(bench: Bench, verb: str) -> None:
    dataset = bench.imported([["x", "Xaver"], ["y", "Yann"], ["z", "Zoe"]], name="others").dataset
    claim = bench.claim(bench.import_() if verb == "commit_import_batch" else bench.export(dataset, 3))
    bench.bring(claim, ["a", "Ann"]) if verb == "commit_import_batch" else bench.commit_export_batch(claim, 1, 1)
    bench.control.take_over(claim.job, NOW)
    successor = bench.claim(claim.job)
    before = _everything(bench, claim.job)
    with pytest.raises(ClaimLost):
        TRANSFERS[verb](bench, claim)
    assert _everything(bench, claim.job) == before
    TRANSFERS[verb](bench, successor)
    assert _everything(bench, claim.job) != before


def _everything(bench: Bench, job: int) -> object:
    tables = ("records", "keys", "datasets", "spans")
    return bench.lines(job), [bench.store.database.read(f"SELECT * FROM {table}") for table in tables]


def test_the_same_engine_is_fenced_by_its_own_later_claim(bench: Bench) -> None:
    job = bench.job()
    engine = bench.store.join()
    first = bench.ledger.claim(job, engine, NOW)
    bench.control.take_over(job, NOW)
    second = bench.ledger.claim(job, engine, NOW)
    with pytest.raises(ClaimLost):
        bench.ledger.poll_control(first)
    assert bench.ledger.poll_control(second).requested_action is None


def test_a_living_engine_keeps_its_job(bench: Bench, other: Store) -> None:
    claim = bench.claim(bench.job())
    for store in (bench.store, other):
        with pytest.raises(Busy, match="by process"):
            store.ledger.claim(claim.job, store.join(), NOW)
    assert bench.start(claim, 3) == [1, 2, 3]


def test_of_two_who_claim_a_dead_engines_job_one_gets_it(bench: Bench, other: Store) -> None:
    dead = bench.claim(bench.job())
    bench.start(dead, 2)
    bench.crash(dead)
    claim = other.ledger.claim(dead.job, other.join(), NOW)
    assert claim.generation > dead.generation
    with pytest.raises(Busy):
        bench.claim(dead.job)
    assert [due.task.number for due in other.ledger.backlog(claim, (-1.0, 0), 10)] == [1, 2]
