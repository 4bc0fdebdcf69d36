"""What to do about each message, over HTTP."""

from rowmill.core.messages import Message

REMEDIES = {
    Message.JOB_BUSY: "Follow its events, or pause it first.",
    Message.JOB_BEING_CANCELLED: "Follow its events until it is cancelled.",
    Message.CLAIM_LOST: "Get the job again to see how it stands.",
    Message.JOB_DELETED: "GET /v1/jobs lists the others.",
    Message.JOB_UNKNOWN: "GET /v1/jobs lists them.",
    Message.NO_FAILED_ROW: "GET /v1/jobs/{{id}}/rows lists its rows.",
    Message.DATASET_DELETED: "Send the request again with another dataset.",
    Message.DATASET_HAS_JOBS: "Delete the job first, or delete the dataset with ?with_jobs=true.",
    Message.DATASET_IN_USE: "Wait for the job to end, or cancel it first: POST /v1/jobs/{job}/cancel",
    Message.DATASET_BEING_IMPORTED: (
        "Finish it (POST /v1/jobs/{job}/resume) or cancel it (POST /v1/jobs/{job}/cancel); imported records are kept."
    ),
    Message.FILE_UNKNOWN: "GET /v1/files lists them.",
}
