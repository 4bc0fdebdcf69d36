"""What a user says to a job: pause, resume, retry, cancel, dismiss, and what steers it."""

import time
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from rowmill.core.errors import IllegalTransition, UsageError
from rowmill.core.job import Job, Settings
from rowmill.core.status import JobStatus, PauseReason
from rowmill.engine.transfer.leftovers import sweep
from rowmill.ledger.store import Store

OBEYED_WITHIN = 2.0
"""Seconds that a pause or cancel waits for the rows in flight."""

_LOOK = 0.01
_ENDED = (JobStatus.COMPLETED, JobStatus.CANCELLED)


def pause(store: Store, job: Job, *, wait: float = OBEYED_WITHIN) -> Job:
    """Pauses ``job``; returns it paused, or still stopping where rows in flight take their time."""
    store.control.pause(job.pk, store.clock())
    return _settled(store, job, wait)


def cancel(store: Store, job: Job) -> Job:
    """Cancels ``job``; returns it cancelled, or still stopping."""
    store.control.cancel(job.pk, store.clock())
    settled = _settled(store, job, OBEYED_WITHIN)
    if settled.status is JobStatus.CANCELLED:
        sweep(store, settled)
    return settled


def resume(store: Store, job: Job, *, take_over: bool = False, detached: bool = False) -> Job:
    """Lets ``job`` go on when an engine claims it, any worker's if ``detached``; one that is still obeying a pause just
    goes on.

    ``take_over`` takes it from a process that is alive but does not answer. Raises ``Busy`` where one works it.
    """
    if take_over:
        store.control.take_over(job.pk, store.clock())
    store.control.resume(job.pk, store.clock(), detached=detached)
    return store.browse.job(job.pk)


def retry(
    store: Store,
    job: Job,
    *,
    failed_only: bool = False,
    codes: Sequence[str] = (),
    ranges: Sequence[tuple[int, int]] = (),
    detached: bool = False,
) -> int:
    """Takes failed rows back to pending, for any worker if ``detached``; returns how many."""
    return store.control.retry(
        job.pk, store.clock(), failed_only=failed_only, codes=codes, ranges=ranges, detached=detached
    )


def dismiss(store: Store, job: Job) -> Job:
    """Says that the failed rows of a completed job need no attention."""
    store.control.dismiss(job.pk)
    return store.browse.job(job.pk)


def update(
    store: Store,
    job: Job,
    settings: Mapping[str, Any],
    *,
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Job | None:
    """Changes ``settings`` of ``job`` by name, its name or its metadata; an engine that works it follows at once. With
    its budget raised above what it has cost, a job that a worker paused for that goes on.

    Returns ``None``, and changes nothing, if any of these was changed since ``job`` was read. Raises ``UsageError`` for
    invalid settings and ``IllegalTransition`` if settings are to change after the job has ended.
    """
    if settings:
        _check_settings(job, settings)
        if job.status in _ENDED:
            raise IllegalTransition("change", job.status, [status for status in JobStatus if status not in _ENDED])
    if not store.control.update(job.pk, settings, name=name, metadata=metadata, seen=job):
        return None
    changed = store.browse.job(job.pk)
    budget = changed.settings.budget
    if "budget" in settings and (budget is None or budget > changed.cost):
        store.queue.requeue(job.pk, PauseReason.BUDGET, store.clock())
        return store.browse.job(job.pk)
    return changed


def _check_settings(job: Job, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if value is None and getattr(Settings(), name) is None:
            continue  # no limit
        if value is None or not 0 < value < inf:
            raise UsageError(f"{name} must be a positive number.", "Give another one.")
    if changes.get("budget") is not None and not job.priced:
        raise UsageError(
            f"{job.id} was made without a known price, so that a budget cannot be kept.",
            "Make another job with the price of its model, in dollars per million tokens in and out.",
        )


def _settled(store: Store, job: Job, wait: float) -> Job:
    """``job`` once the engine has obeyed, or as it stands after a moment's wait."""
    until = time.monotonic() + wait
    while (now := store.browse.job(job.pk)).stopping and time.monotonic() < until:
        time.sleep(_LOOK)
    return now


def over(job: Job) -> bool:
    """Whether ``job`` waits for somebody and nothing will move it on its own."""
    return job.status not in (JobStatus.PENDING, JobStatus.RUNNING)
