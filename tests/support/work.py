"""Jobs that have come so far, without an engine."""

from pathlib import Path
from typing import Any

from rowmill.cli.specs import run_spec
from rowmill.core.commit import Batch, Chunk, Claim, Settled, Start, Task
from rowmill.core.job import Attempt, Job
from rowmill.core.outcome import Usage
from rowmill.core.status import Action, RowStatus
from rowmill.engine.inputs import Inputs
from rowmill.jobs.submit.submit import submit
from rowmill.ledger.store import Store

ASK: dict[str, Any] = {"processor": "tests.support.work:judge", "columns": ("mood: good | bad",)}
"""Options of ``rowmill run``."""


def judge(row: dict[str, Any]) -> dict[str, Any]:
    return {"mood": "good"}


def make(store: Store, engine: str, source: Path, **asked: Any) -> Job:
    """A new job over ``source``."""
    return submit(store, engine, run_spec(input_=str(source), **{**ASK, **asked})).job


def begin(store: Store, engine: str, job: Job) -> Claim:
    """Claims ``job`` and starts all of its rows, each in the slot of its number."""
    claim = store.ledger.claim(job.pk, engine, store.clock())
    chunk = store.ledger.take_chunk(claim)
    assert chunk
    starts = [Start(number, Task(number)) for number in range(chunk.lo, chunk.hi + 1)]
    store.ledger.commit(claim, Batch(starts=starts, chunks=[Chunk(chunk.hi + 1, chunk.hi)]))
    return claim


def settle(store: Store, claim: Claim, moods: dict[int, str | None]) -> None:
    """Ends rows with a mood, or as failed where that is ``None``."""
    now = store.clock()
    done = [
        Settled(
            number,
            RowStatus.SUCCEEDED if mood else RowStatus.FAILED,
            Attempt(0, 1, now, 0.5, "succeeded", None, None, Usage(10, 2), 1500)
            if mood
            else Attempt(0, 1, now, 0.5, "failed", "bad_request", "It was refused.", Usage(10), 1000),
            {"mood": mood} if mood else None,
        )
        for number, mood in moods.items()
    ]
    store.ledger.commit(claim, Batch(settled=done, freed=list(moods)))


def complete(store: Store, engine: str, job: Job, moods: dict[int, str | None]) -> Job:
    """``job`` completed with these moods."""
    claim = begin(store, engine, job)
    settle(store, claim, moods)
    assert store.ledger.finish(claim, Action.COMPLETE, store.clock())
    return store.browse.job(job.pk)


def find(store: Store, engine: str, job: Job, rows: int | None = None) -> None:
    """Settles the first ``rows`` of ``job`` as good, as results of its lasting dataset, and pauses it; all of them
    complete it."""
    claim = store.ledger.claim(job.pk, engine, store.clock())
    chunk = store.ledger.take_chunk(claim, rows or 1000)
    assert chunk
    starts = [Start(number, Task(number)) for number in range(chunk.lo, chunk.hi + 1)]
    store.ledger.commit(claim, Batch(starts=starts, chunks=[Chunk(chunk.hi + 1, chunk.hi)]))
    inputs = Inputs(store, store.datasets.get(job.dataset), job.steps, job.result_version)
    made = Attempt(0, 1, store.clock(), 0.5, "succeeded", None, None)
    done = [
        Settled(item.task.number, RowStatus.SUCCEEDED, made, {"mood": "good"}, item.record, inputs.hash(item.values))
        for item in inputs.items(job, chunk.lo, chunk.hi)
    ]
    store.ledger.commit(claim, Batch(settled=done, freed=[start.slot for start in starts]))
    if rows:
        store.control.pause(job.pk, store.clock())
    assert store.ledger.finish(claim, Action.PAUSE if rows else Action.COMPLETE, store.clock())
