"""Removing jobs and datasets, and giving their space back."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rowmill.core.errors import UsageError
from rowmill.core.job import Job
from rowmill.core.status import JobStatus, JobType
from rowmill.engine.transfer.leftovers import sweep
from rowmill.files.service import path_of, prune_files, size_of_files, sweep_unfinished
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset

_OVER = (JobStatus.COMPLETED, JobStatus.CANCELLED)
_FINISHED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


@dataclass(slots=True)
class Pruned:
    """What was removed: the ids of jobs, of those kept with the reason, the ids of uploads, and by how many bytes the
    store is smaller."""

    jobs: list[str]
    kept: dict[str, str]
    files: list[str] = field(default_factory=list)
    bytes: int = 0


def delete_job(store: Store, job: Job) -> int:
    """Removes ``job``, its download, and what it left on its way; returns how many results its dataset loses. Raises
    ``UsageError`` where something needs it."""
    results = store.results.count(job.pk)
    store.control.delete(job.pk, store.clock())
    sweep(store, job)
    if job.type is JobType.EXPORT and job.file:
        path_of(store, job.file).unlink(missing_ok=True)
    store.purge()
    store.maintenance.shrink()
    return results


def delete_dataset(store: Store, dataset: Dataset, *, with_jobs: bool = False) -> list[str]:
    """Removes ``dataset`` with its imports and exports, and its enrichments if ``with_jobs``; returns their ids. Raises
    ``UsageError`` where another job needs it."""
    gone = store.control.delete_dataset(dataset.pk, store.clock(), with_jobs=with_jobs)
    sweep_unfinished(store)
    store.purge()
    store.maintenance.shrink()
    return gone


def prune(store: Store, seconds: float | None) -> Pruned:
    """Removes jobs that ended longer than ``seconds`` ago, uploads as old that none needs, and what deleted jobs and
    killed processes left behind."""
    pruned = Pruned([], {})
    before = _size(store)
    if seconds is not None:
        for job in _ended_before(store, store.clock() - seconds):
            if kept := _reason_to_keep(store, job):
                pruned.kept[job.id] = kept
            else:
                sweep(store, job)
                pruned.jobs.append(job.id)
        pruned.files = prune_files(store, store.clock() - seconds)
    store.purge()
    store.maintenance.shrink()
    _sweep_files(store)
    sweep_unfinished(store)
    pruned.bytes = max(before - _size(store), 0)
    return pruned


def _size(store: Store) -> int:
    """Bytes on disk of the database, uploads and downloads."""
    return store.maintenance.size() + size_of_files(store)


def _reason_to_keep(store: Store, job: Job) -> str | None:
    """Deletes ``job``, or says why not. What it has found for a lasting dataset was paid for, and would be again by the
    next run that looks for what is new: age alone is no reason to remove that."""
    if store.results.count(job.pk):
        return "its results are columns of a dataset; delete the job to remove both."
    try:
        store.control.delete(job.pk, store.clock())
    except UsageError as error:
        return error.message
    return None


def _ended_before(store: Store, moment: float) -> list[Job]:
    return [job for job in _every(store) if job.status in _FINISHED and (job.finished_at or moment) < moment]


def _sweep_files(store: Store) -> None:
    """Removes what killed processes left among the files on their way."""
    if not store.files.is_dir() or store.presence.any_alive():
        return
    needed = {name for job in _every(store) if job.status not in _OVER for name in _names(job)}
    for path in store.files.iterdir():
        if path.name in needed:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _every(store: Store) -> Iterator[Job]:
    page = store.browse.jobs(limit=200)
    while page:
        yield from page
        page = store.browse.jobs(before=page[-1].pk, limit=200)


def _names(job: Job) -> list[str]:
    return [job.id, *([Path(job.source.location).name] if job.source else [])]
