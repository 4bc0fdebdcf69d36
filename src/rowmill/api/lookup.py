"""What a request names. All raise ``NotFound`` where there is no such thing."""

from rowmill.core.errors import NotFound
from rowmill.core.job import Job
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset


def the_dataset(store: Store, name: str) -> Dataset:
    """The dataset of that id or name."""
    found = store.datasets.named(name)
    if found is None:
        raise NotFound(f"There is no dataset {name!r}.", "GET /v1/datasets lists them.")
    return found


def the_job(store: Store, job_id: str) -> Job:
    """The job of that id, which is not taken for the beginning of one."""
    found = store.browse.job_by_id(job_id)
    if found is None:
        raise NotFound(f"There is no job {job_id}.", "GET /v1/jobs lists them.")
    return found
