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
    Message.FILE_DELETED: "GET /v1/files lists the others.",
    Message.NAME_UNKNOWN: "GET /v1/jobs and GET /v1/datasets list what there is.",
    Message.ROWS_PER_MONTH_REACHED: "Raise it (PUT /v1/limits) or wait for the next month, then resume the job.",
    Message.USD_PER_MONTH_REACHED: "Raise it (PUT /v1/limits) or wait for the next month, then resume the job.",
    Message.BUDGET_REACHED: "Raise budget_usd with PATCH /v1/jobs/{job}; a worker then continues the job.",
    Message.RATE_LIMIT_REACHED: "Lower rpm with PATCH /v1/jobs/{job} to what the provider allows, then resume the job.",
    Message.COLUMN_EXISTS: "Give the output column another name.",
    Message.OUTPUT_EXISTS: "Choose another path, or set overwrite to true.",
    Message.OUTPUT_APPEARED: "Move it away and resume the job, or export again.",
    Message.OUTPUT_FOREIGN: "Download the results: GET /v1/jobs/{job}/results",
    Message.OUTPUT_UNWRITABLE: "The rows are saved; download them: GET /v1/jobs/{job}/results",
    Message.OUTPUT_FAILED: "The rows are saved; download them, or check the server's disk.",
    Message.STDOUT_FAILED: "Download the results: GET /v1/jobs/{job}/results",
    Message.INPUT_FORMAT_UNKNOWN: "Use one of {known}, or name it in format.",
    Message.OUTPUT_FORMAT_UNKNOWN: "Use one of {known}, or name it in format.",
    Message.CONNECTION_UNKNOWN: "GET /v1/connections lists them.",
    Message.CONNECTION_GONE: "Make it again: POST /v1/connections",
    Message.CONNECTION_EXISTS: "Change it with PATCH /v1/connections/{name}, or choose another name.",
    Message.CONNECTION_CHANGED: "Make a new job.",
    Message.TOKEN_UNNAMED: "Say in name what it is for.",
    Message.TOKEN_UNKNOWN: "GET /v1/tokens lists them.",
    Message.WEBHOOK_UNKNOWN: "GET /v1/webhooks lists them.",
    Message.DELIVERY_UNKNOWN: "GET /v1/webhooks/{{id}}/deliveries lists them.",
}
