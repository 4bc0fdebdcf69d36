"""From a ``JobSpec`` to a job in the store, or to the same job of an earlier run. All three types go this way."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rowmill.core.job import Job
from rowmill.core.status import JobStatus, JobType
from rowmill.jobs.deliver import check_free
from rowmill.jobs.spec import JobSpec
from rowmill.jobs.submit.enrichments import resolve_enrichment
from rowmill.jobs.submit.exports import resolve_export
from rowmill.jobs.submit.imports import resolve_import
from rowmill.jobs.submit.resolved import Resolved
from rowmill.ledger.store import Store

Progress = Callable[[int], None]
"""Called with the rows stored so far (enrichment) or the bytes fetched so far (import); it may raise to stop."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The job, and whether it was there before."""

    job: Job
    found: bool


def submit(store: Store, engine: str, spec: JobSpec, progress: Progress = lambda count: None) -> Submission:
    """Stores the job, or finds the same job of an earlier run. What is read in meanwhile is held for ``engine``.

    Raises ``UsageError`` and ``InputError`` for whatever cannot work; nothing is left behind then.
    """
    with resolve(store, engine, spec, progress) as job:
        return find_or_insert(store, job)


def resolve(store: Store, engine: str, spec: JobSpec, progress: Progress) -> AbstractContextManager[Resolved]:
    """Opens the file or finds the dataset or job, and checks everything about it once."""
    match spec.type:
        case JobType.ENRICHMENT:
            return resolve_enrichment(store, engine, spec, progress)
        case JobType.IMPORT:
            return resolve_import(store, spec, progress)
        case JobType.EXPORT:
            return resolve_export(store, spec)


def find_or_insert(store: Store, job: Resolved) -> Submission:
    """The same job of an earlier run, or a new one."""
    known = None if job.new else same_run(store, job.identity)
    if known and not job.is_outdated(known) and not (job.repeats and known.status is JobStatus.COMPLETED):
        return Submission(job.steer(store, known), found=True)
    draft = job.draft(store)
    check_free(draft.output)
    if known and known.status is not JobStatus.COMPLETED:
        # Its results are kept, and what was left of it is still new or changed: the new job covers that.
        store.control.cancel(known.pk, store.clock())
    now = store.clock()
    if job.new:
        pk, is_new = store.control.insert(draft, now, job.into), True
    else:
        pk, is_new = store.control.find_or_insert(draft, now, repeats=job.repeats, into=job.into)
    job.stored = is_new
    return Submission(store.browse.job(pk), found=not is_new)


def same_run(store: Store, identity: str) -> Job | None:
    """The job of an earlier run of the same; not one that was being cancelled when its process died."""
    known = store.browse.same_job(identity)
    if known and known.interrupted:
        store.control.recover(known.pk, store.clock())
        known = store.browse.same_job(identity)
    return known
