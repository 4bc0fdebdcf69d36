"""The files of an import or export that are of no use once it has ended."""

from pathlib import Path

from rowmill.core.job import Job
from rowmill.core.status import JobStatus
from rowmill.engine.transfer.exporter import part_of
from rowmill.ledger.store import Store


def sweep(store: Store, job: Job) -> None:
    """Removes Rowmill's own copy of what ``job`` imports, and the part of a file that it has exported; of a cancelled
    one also a download that was in its place already."""
    if job.source and job.source.kept:
        Path(job.source.location).unlink(missing_ok=True)
    if job.extract:
        part_of(store, job).unlink(missing_ok=True)
        if job.file and job.status is JobStatus.CANCELLED:
            (store.uploads / job.file).unlink(missing_ok=True)
