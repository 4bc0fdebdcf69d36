"""Imports and exports that are really worked."""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from rowmill.cli.specs import import_spec
from rowmill.core.job import Job
from rowmill.core.status import Action, JobType
from rowmill.engine.engine import Engine
from rowmill.engine.runtime import RealRuntime
from rowmill.jobs.spec import About, DatasetSource, FileOutput, JobSource, JobSpec, Selection
from rowmill.jobs.submit.submit import Submission, submit
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset


def work(store: Store, engine: str, job: Job) -> Job:
    """``job`` once it has completed."""
    assert asyncio.run(Engine(store, engine, RealRuntime()).run(job)) is Action.COMPLETE
    return store.browse.job(job.pk)


def load(store: Store, engine: str, path: Path, **asked: Any) -> Job:
    """The completed import of the file."""
    return work(store, engine, submit(store, engine, import_spec(str(path), **asked)).job)


def export(
    store: Store,
    source: Job | Dataset,
    output: str | None = "out.csv",
    *,
    new: bool = False,
    columns: tuple[str, ...] = (),
    rows: str | None = None,
    where: str | None = None,
    only: str | None = None,
    **asked: Any,
) -> Submission:
    """The export of ``source``, or the same one that has not ended."""
    pairs = tuple((text, None) for text in columns)
    spec = JobSpec(
        type=JobType.EXPORT,
        source=JobSource(source.id) if isinstance(source, Job) else DatasetSource(source.id),
        selection=Selection(rows, where, only=only),
        output=FileOutput(output, columns=pairs, **asked),
        about=About(new=new),
    )
    return submit(store, "", spec)


def named(store: Store, name: str) -> Dataset:
    dataset = store.datasets.named(name)
    assert dataset
    return dataset


def values(store: Store, name: str) -> list[list[Any]]:
    """What the records of the dataset hold, in order."""
    dataset = named(store, name)
    return [orjson.loads(data) for _, data in store.datasets.records(dataset.pk, dataset.revision, 0, 10_000)]
