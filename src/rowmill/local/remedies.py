"""What to do about each message, for whoever calls Rowmill from Python."""

from collections.abc import Iterator
from contextlib import contextmanager

from rowmill.core.errors import RowmillError
from rowmill.core.messages import Message

REMEDIES = {
    Message.JOB_BUSY: "Wait until it has stopped.",
    Message.JOB_BEING_CANCELLED: "Wait until it is cancelled.",
    Message.CLAIM_LOST: "Look at the job again to see how it stands.",
    Message.JOB_DELETED: "List the others with jobs.list().",
    Message.JOB_UNKNOWN: "List jobs with jobs.list().",
    Message.NO_FAILED_ROW: "List its rows with job.rows().",
    Message.DATASET_DELETED: "Make the call again.",
    Message.DATASET_HAS_JOBS: "Delete the job first, or delete the dataset with with_jobs=True.",
    Message.DATASET_IN_USE: "Wait for {job} to end, or cancel it first.",
    Message.DATASET_BEING_IMPORTED: "Resume {job} and let it end, or cancel it; imported records are kept.",
    Message.FILE_UNKNOWN: "Upload the file again.",
}


@contextmanager
def advised() -> Iterator[None]:
    """Gives an error that leaves the block the advice of this table."""
    try:
        yield
    except RowmillError as error:
        error.advise(REMEDIES)
        raise
