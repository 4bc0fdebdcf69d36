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
    Message.FILE_DELETED: "Upload the file again.",
    Message.NAME_UNKNOWN: "List what there is with jobs.list() and datasets.list().",
    Message.ROWS_PER_MONTH_REACHED: "Raise the limit or wait for the next month, then call again.",
    Message.USD_PER_MONTH_REACHED: "Raise the limit or wait for the next month, then call again.",
    Message.BUDGET_REACHED: "Call again with a higher budget.",
    Message.RATE_LIMIT_REACHED: "Call again with an rpm that the provider allows.",
    Message.COLUMN_EXISTS: "Give the output column another name.",
    Message.OUTPUT_EXISTS: "Choose another path.",
    Message.OUTPUT_APPEARED: "Move it away and resume the job.",
    Message.OUTPUT_FOREIGN: "Save the results elsewhere with job.results().",
    Message.OUTPUT_UNWRITABLE: "The rows are saved; save them elsewhere with job.results().",
    Message.OUTPUT_FAILED: "The rows are saved; save them elsewhere with job.results().",
    Message.STDOUT_FAILED: "Read the results with job.results().",
    Message.INPUT_FORMAT_UNKNOWN: "Use one of {known}, or name it with format.",
    Message.OUTPUT_FORMAT_UNKNOWN: "Use one of {known}, or name it with format.",
    Message.CONNECTION_UNKNOWN: "Add it first.",
    Message.CONNECTION_GONE: "Add it again.",
    Message.CONNECTION_EXISTS: "Change it, or choose another name.",
    Message.CONNECTION_CHANGED: "Call again with new=True.",
    Message.TOKEN_UNNAMED: "Say in name what it is for.",
    Message.TOKEN_UNKNOWN: "",
    Message.WEBHOOK_UNKNOWN: "",
    Message.DELIVERY_UNKNOWN: "",
}


@contextmanager
def advised() -> Iterator[None]:
    """Gives an error that leaves the block the advice of this table."""
    try:
        yield
    except RowmillError as error:
        error.advise(REMEDIES)
        raise
