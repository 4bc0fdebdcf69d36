import asyncio
import logging

import pytest

from rowmill.core.errors import Busy, IllegalTransition, UsageError
from rowmill.core.job import Step
from rowmill.core.outcome import Failed, StopJob
from rowmill.core.status import Action, JobStatus
from rowmill.engine.engine import Engine, processor_of
from rowmill.ledger.store import Store
from rowmill.testing.simulation import EPOCH, SimulatedRuntime, simulate
from tests.support.engine import Play, Player, after, done, job_of, now, work


class Door(Player):
    """Remembers that it was opened and closed; ``locked`` it cannot be opened."""

    def __init__(self, *, locked: bool = False) -> None:
        super().__init__(done)
        self.events: list[str] = []
        self._locked = locked

    async def open(self) -> None:
        if self._locked:
            raise UsageError("There is no key.", "Set it.")
        self.events.append("open")

    async def close(self) -> None:
        self.events.append("close")


def test_processors_are_opened_before_the_job_is_claimed_and_closed_after(store: Store) -> None:
    job, door = job_of(store, 2), Door()
    assert work(store, job, door) is Action.COMPLETE
    assert door.events == ["open", "close"]


def test_a_processor_that_cannot_be_opened_leaves_the_job_untouched(store: Store) -> None:
    job = job_of(store, 2)
    with pytest.raises(UsageError, match="no key"):
        work(store, job, Door(locked=True))
    assert now(store, job).status is JobStatus.PENDING
    assert store.browse.executions(job.pk) == []


def test_a_second_engine_is_refused_while_the_first_lives(store: Store) -> None:
    job = job_of(store, 2)

    async def intrude(_: Engine) -> None:
        await asyncio.sleep(1.0)
        with pytest.raises(Busy):
            store.ledger.claim(job.pk, store.join(), EPOCH)
        intruded.append(True)

    intruded: list[bool] = []
    assert work(store, job, Player(lambda n: after(3.0, done(n))), beside=intrude) is Action.COMPLETE
    assert intruded


def test_a_job_that_is_done_is_not_claimed_again(store: Store) -> None:
    job = job_of(store, 2)
    work(store, job, Player(done))
    with pytest.raises(IllegalTransition):
        work(store, job, Player(done))


def test_an_abort_before_the_claim_still_pauses(store: Store) -> None:
    job, player = job_of(store, 2), Player(done)

    async def main(runtime: SimulatedRuntime) -> Action:
        engine = Engine(store, store.join(), runtime)
        engine.abort()
        return await engine.run(job, [player])

    assert simulate(main) is Action.PAUSE
    assert player.calls == []


def test_a_release_before_the_claim_still_leaves_the_job_pending(store: Store) -> None:
    job, player = job_of(store, 2), Player(done)

    async def main(runtime: SimulatedRuntime) -> Action:
        engine = Engine(store, store.join(), runtime)
        engine.release()
        return await engine.run(job, [player])

    assert simulate(main) is Action.RELEASE
    assert now(store, job).status is JobStatus.PENDING
    assert player.calls == []


def test_a_step_names_its_processor(store: Store) -> None:
    with pytest.raises(UsageError):
        processor_of(Step("step", "no such processor", {}, {}), store)


@pytest.mark.parametrize(
    ("play", "level", "said"),
    [
        (done, "INFO", {"message": "job ended", "ended": "complete"}),
        (
            lambda n: StopJob("key_refused", "The key was refused."),
            "WARNING",
            {"message": "job failed", "code": "key_refused", "error": "The key was refused."},
        ),
        (
            lambda n: Failed("bad", "a secret value"),
            "WARNING",
            {"message": "job paused by the engine", "reason": "failure_spike", "code": "bad"},
        ),
    ],
)
def test_the_log_tells_when_a_job_is_taken_up_and_how_it_ends(
    store: Store, caplog: pytest.LogCaptureFixture, play: Play, level: str, said: dict[str, str]
) -> None:
    caplog.set_level(logging.INFO, "rowmill.engine.engine")
    job = job_of(store, 2)
    work(store, job, Player(play))
    begun, ended = (record for record in caplog.records if record.name == "rowmill.engine.engine")
    assert (begun.levelname, begun.message, begun.__dict__["job"]) == ("INFO", "job claimed", job.id)
    assert (ended.levelname, ended.__dict__["job"]) == (level, job.id)
    assert {name: ended.__dict__[name] for name in said} == said
    assert "secret" not in str(ended.__dict__)
