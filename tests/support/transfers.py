"""Imports and exports that are really worked."""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from rowmill.core.job import Job
from rowmill.core.status import Action
from rowmill.engine.engine import Engine
from rowmill.engine.runtime import RealRuntime
from rowmill.jobs.submit.imports import ImportRequest, submit_import
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset


def work(store: Store, engine: str, job: Job) -> Job:
    """``job`` once it has completed."""
    assert asyncio.run(Engine(store, engine, RealRuntime()).run(job)) is Action.COMPLETE
    return store.browse.job(job.pk)


def load(store: Store, engine: str, path: Path, **asked: Any) -> Job:
    """The completed import of the file."""
    return work(store, engine, submit_import(store, ImportRequest(str(path), **asked)).job)


def named(store: Store, name: str) -> Dataset:
    dataset = store.datasets.named(name)
    assert dataset
    return dataset


def values(store: Store, name: str) -> list[list[Any]]:
    """What the records of the dataset hold, in order."""
    dataset = named(store, name)
    return [orjson.loads(data) for _, data in store.datasets.records(dataset.pk, dataset.revision, 0, 10_000)]
