"""The checker can fail: each test breaks one promise on purpose and sees it caught."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rowmill.core import retry
from rowmill.core.commit import Batch
from rowmill.db.database import Transaction
from rowmill.engine.item import Item
from rowmill.engine.rows.feeder import Feeder
from rowmill.engine.rows.runner import Runner
from rowmill.engine.rows.slots import Slots
from rowmill.ledger import recovery as burial
from rowmill.ledger.ledger import Ledger

from .checker import Broken
from .world import World, world

SEEDS = range(20)


@pytest.fixture
def caught(empty_home: Path, tmp_path: Path) -> Callable[[], str]:
    """Runs seeds until one of them is broken; returns what the checker said."""

    def run() -> str:
        for seed in SEEDS:
            try:
                with world(seed, empty_home, tmp_path / str(seed)) as made:
                    made.live()
            except Broken as error:
                return str(error)
        return "nothing"

    return run


def test_calls_that_begin_before_their_commit(monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]) -> None:
    commit = Runner._commit

    async def hasty(self: Runner, batch: Batch, finished: Any, items: list[Item]) -> None:
        early = [asyncio.create_task(self._processors[i.task.step].process(i.inputs())) for i in items]
        await asyncio.gather(*early, return_exceptions=False)
        await commit(self, batch, finished, items)

    monkeypatch.setattr(Runner, "_commit", hasty)
    assert "has no slot" in caught()


def test_a_commit_that_forgets_its_slots(monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]) -> None:
    monkeypatch.setattr(Ledger, "_write_slots", lambda *args: None)
    assert "starts" in caught()


def test_a_commit_that_forgets_its_outcomes(monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]) -> None:
    monkeypatch.setattr(Ledger, "_write_outcomes", lambda *args: None)
    assert "not partitioned" in caught()


def test_a_commit_that_leaves_deferred_lines(monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]) -> None:
    monkeypatch.setattr("rowmill.ledger.ledger._UNDEFER", "DELETE FROM deferred WHERE 0 AND job = ? AND number = ?")
    assert "not partitioned" in caught()


def test_counts_that_are_off_by_one(monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]) -> None:
    monkeypatch.setattr(
        "rowmill.ledger.ledger._ACCOUNT",
        Ledger._account.__globals__["_ACCOUNT"].replace("succeeded = succeeded + ?", "succeeded = succeeded + ? + 1"),
    )
    assert "counted" in caught()


def test_a_commit_that_forgets_what_was_used(monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]) -> None:
    monkeypatch.setattr("rowmill.ledger.ledger.note_usage", lambda *args: None)
    assert "usage says" in caught()


def test_an_engine_that_starts_rows_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]
) -> None:
    monkeypatch.setattr("rowmill.engine.rows.allowance.Allowance.admits", lambda *args: True)
    assert "rows are used where" in caught()


def test_a_burial_that_does_not_count_what_is_uncertain(
    monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]
) -> None:
    end = burial._end_crashed

    def forgetful(tx: Transaction, job: int, generation: int, lost: int, now: float) -> None:
        end(tx, job, generation, 0, now)

    monkeypatch.setattr(burial, "_end_crashed", forgetful)
    assert "lost in crashes" in caught()


def test_a_feeder_that_hands_a_row_out_again(monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]) -> None:
    take = Feeder.take
    handed: list[Item] = []

    def twice(self: Feeder, item: Item) -> None:
        take(self, item)
        if not item.task.deferred and len(handed) < 5:
            handed.append(item)
            self._pages.appendleft(type(self._pages[0])(self._pages[0].chunk, type(self._pages[0].items)([item])))

    monkeypatch.setattr(Feeder, "take", twice)
    assert caught() != "nothing"


def test_an_engine_that_takes_more_rows_than_it_may(monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]) -> None:
    monkeypatch.setattr(Slots, "in_flight", property(lambda self: len(self._calls) // 2))
    assert "rows are in flight where" in caught()


def test_an_engine_that_starts_rows_although_it_is_to_pause(
    monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]
) -> None:
    monkeypatch.setattr("rowmill.engine.stop.Stopper.request", lambda self, action: None)
    assert "after the commit that saw the request to stop" in caught()


def test_refusals_that_cost_an_attempt(monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]) -> None:
    rule = retry.rule

    def strict(*args: Any) -> retry.Ruling:
        ruling = rule(*args)
        if isinstance(ruling, retry.PutOff):
            return retry.PutOff(ruling.delay, counts=True, code=ruling.code, message=ruling.message)
        return ruling

    monkeypatch.setattr("rowmill.engine.rows.settle.rule", strict)
    assert "attempts out of order" in caught()


def test_attempts_without_end(monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]) -> None:
    rule = retry.rule
    monkeypatch.setattr(
        "rowmill.engine.rows.settle.rule", lambda outcome, attempt, most, chance: rule(outcome, 1, 2, chance)
    )
    assert "attempts" in caught()


def test_a_slot_that_is_never_given_back(monkeypatch: pytest.MonkeyPatch, caught: Callable[[], str]) -> None:
    monkeypatch.setattr(Slots, "end", lambda self, slot: None)
    assert "hangs" in caught()


def test_a_row_that_is_called_again_after_it_succeeded(empty_home: Path, tmp_path: Path) -> None:
    with world(1, empty_home, tmp_path / "home") as made:
        succeed_everything(made)
        made.live()
        with made.store.database.transaction() as tx:
            tx.execute(
                """INSERT INTO slots (job, generation, slot, number, step, attempts, crashes)
                   VALUES (?, 99, 0, 1, 0, 0, 0)""",
                (made.job.pk,),
            )
        with pytest.raises(Broken, match="called again"):
            made.checker.call_begins(1, 0)


def succeed_everything(made: World) -> None:
    made.script.weights = {"done": 1.0}
    made.script.stops = 0
