"""What a user says to a job: pause, resume, retry, cancel, dismiss."""

import time
from collections.abc import Sequence

from rowmill.engine.leftovers import sweep
from rowmill.model.job import Job
from rowmill.model.status import JobStatus
from rowmill.store.store import Store

_OBEYED_WITHIN = 2.0
_LOOK = 0.01


def pause(store: Store, job: Job) -> Job:
    """Pauses ``job``; returns it paused, or still stopping where rows in flight take their time."""
    store.control.pause(job.pk, store.clock())
    return _settled(store, job)


def cancel(store: Store, job: Job) -> Job:
    """Cancels ``job``; returns it cancelled, or still stopping."""
    store.control.cancel(job.pk, store.clock())
    settled = _settled(store, job)
    if settled.status is JobStatus.CANCELLED:
        sweep(store, settled)
    return settled


def resume(store: Store, job: Job, *, take_over: bool = False) -> Job:
    """Lets ``job`` go on when an engine claims it; one that is still obeying a pause just goes on.

    ``take_over`` takes it from a process that is alive but does not answer. Raises ``Busy`` where one works it.
    """
    if take_over:
        store.control.take_over(job.pk, store.clock())
    store.control.resume(job.pk, store.clock())
    return store.browse.job(job.pk)


def retry(
    store: Store,
    job: Job,
    *,
    failed_only: bool = False,
    codes: Sequence[str] = (),
    ranges: Sequence[tuple[int, int]] = (),
) -> int:
    """Takes failed rows back to pending; returns how many."""
    return store.control.retry(job.pk, store.clock(), failed_only=failed_only, codes=codes, ranges=ranges)


def dismiss(store: Store, job: Job) -> Job:
    """Says that the failed rows of a completed job need no attention."""
    store.control.dismiss(job.pk)
    return store.browse.job(job.pk)


def _settled(store: Store, job: Job) -> Job:
    """``job`` once the engine has obeyed, or as it stands after a moment's wait."""
    until = time.monotonic() + _OBEYED_WITHIN
    while (now := store.browse.job(job.pk)).stopping and time.monotonic() < until:
        time.sleep(_LOOK)
    return now


def over(job: Job) -> bool:
    """Whether ``job`` waits for somebody and nothing will move it on its own."""
    return job.status not in (JobStatus.PENDING, JobStatus.RUNNING)
