"""What to do about each message, on the command line."""

from rowmill.core.messages import Message

REMEDIES = {
    Message.JOB_BUSY: "Follow it with `rowmill watch`.",
    Message.JOB_BEING_CANCELLED: "Follow it with `rowmill watch`.",
    Message.CLAIM_LOST: "Follow it with `rowmill watch`.",
    Message.JOB_DELETED: "List the others with `rowmill jobs`.",
    Message.JOB_UNKNOWN: "List jobs with `rowmill jobs`.",
    Message.NO_FAILED_ROW: "List its rows with `rowmill rows`.",
    Message.DATASET_DELETED: "Run the command again.",
    Message.DATASET_HAS_JOBS: "Delete the job first, or delete the dataset with --with-jobs.",
    Message.DATASET_IN_USE: "Wait for the job to end, or cancel it first: rowmill cancel {job}",
    Message.DATASET_BEING_IMPORTED: (
        "Finish it (rowmill resume {job}) or cancel it (rowmill cancel {job}); imported records are kept."
    ),
    Message.FILE_UNKNOWN: "Import the file again.",
}
