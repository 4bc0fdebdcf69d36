"""Jobs that have come so far, without an engine."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from rowmill.cli.specs import import_spec
from rowmill.core.commit import Batch, Chunk, Claim, Settled, Start, Task
from rowmill.core.job import Attempt, Job, JobDraft, Settings, Step
from rowmill.core.money import Price
from rowmill.core.outcome import Usage
from rowmill.core.status import Action, JobType, RowStatus
from rowmill.engine.engine import Engine
from rowmill.engine.runtime import RealRuntime
from rowmill.jobs.submit.submit import submit
from rowmill.ledger.store import Store

STEP = Step("python", "python", {"function": "shop:judge"}, {"mood": {"type": "string"}})
PRICE = Price(1_000_000_000, 2_000_000_000)


def make(store: Store, rows: int = 3, *, price: Price | None = None, **more: Any) -> Job:
    """A new pending job over texts of its own."""
    dataset = store.datasets.begin("reviews.csv", store.join(), store.clock())
    store.datasets.add(dataset, 1, [orjson.dumps([f"text {n}"]).decode() for n in range(1, rows + 1)])
    store.datasets.seal(dataset, ["review"], rows, f"hash of {dataset}")
    draft = {
        "type": JobType.ENRICHMENT,
        "name": "reviews.csv",
        "dataset": dataset,
        "selection": [(1, rows)],
        "steps": [Step(STEP.name, STEP.processor, STEP.config, STEP.outputs, price=price)],
        "settings": Settings(),
        "identity": f"identity of {dataset}",
    }
    return store.browse.job(store.control.insert(JobDraft(**{**draft, **more}), store.clock()))


def begin(store: Store, job: Job, engine: str | None = None) -> Claim:
    """Claims the job for a living engine."""
    return store.ledger.claim(job.pk, engine or store.join(), store.clock())


def start(store: Store, claim: Claim, count: int = 1000) -> list[int]:
    """Starts the next rows, each in the slot of its number."""
    chunk = store.ledger.take_chunk(claim, count)
    assert chunk
    numbers = list(range(chunk.lo, chunk.hi + 1))
    batch = Batch(starts=[Start(n, Task(n)) for n in numbers], chunks=[Chunk(chunk.hi + 1, chunk.hi)])
    store.ledger.commit(claim, batch)
    return numbers


def settle(store: Store, claim: Claim, moods: Mapping[int, str | None], code: str = "bad_request") -> None:
    """Ends started rows with a mood, or as failed where that is ``None``."""
    now = store.clock()
    good = Attempt(0, 1, now, 0.5, "succeeded", None, None, Usage(10, 2), 14_000)
    bad = Attempt(0, 1, now, 0.5, "failed", code, "It was refused.", Usage(10), 10_000)
    done = [
        Settled(n, RowStatus.SUCCEEDED, good, {"mood": mood}) if mood else Settled(n, RowStatus.FAILED, bad, None)
        for n, mood in moods.items()
    ]
    store.ledger.commit(claim, Batch(settled=done, freed=list(moods)))


def completed(store: Store, moods: Sequence[str | None] = ("good", "bad", None), **more: Any) -> Job:
    """A job that has completed with these moods."""
    job = make(store, len(moods), **more)
    claim = begin(store, job)
    settle(store, claim, dict(zip(start(store, claim), moods, strict=True)))
    assert store.ledger.finish(claim, Action.COMPLETE, store.clock())
    return store.browse.job(job.pk)


def dataset(store: Store, place: Path, text: str = "id,review\n1,fine\n2,bad\n3,good\n") -> str:
    """A lasting dataset called ``reviews`` with the key ``id``; gives its own id."""
    path = place / "reviews.csv"
    path.write_text(text)
    engine = store.join()
    job = submit(store, engine, import_spec(str(path), dataset="reviews", key="id")).job
    assert asyncio.run(Engine(store, engine, RealRuntime()).run(job)) is Action.COMPLETE
    return job.dataset_id
