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
    Message.FILE_DELETED: "Import the file again.",
    Message.NAME_UNKNOWN: "List jobs with `rowmill jobs` and datasets with `rowmill datasets`.",
    Message.ROWS_PER_MONTH_REACHED: "Raise it (rowmill limits --rows-per-month N) or wait for next month, then resume.",
    Message.USD_PER_MONTH_REACHED: "Raise it (rowmill limits --usd-per-month X) or wait for next month, then resume.",
    Message.BUDGET_REACHED: "Raise it by running the same command with a higher --budget.",
    Message.RATE_LIMIT_REACHED: "Run the same command with an --rpm that the provider allows, or resume.",
    Message.COLUMN_EXISTS: "Give the output column another name, or replace it in the output with --overwrite.",
    Message.OUTPUT_EXISTS: "Choose another file, or replace it with --overwrite.",
    Message.OUTPUT_APPEARED: "Move it away and resume, or export again with --overwrite.",
    Message.OUTPUT_FOREIGN: "Write the results elsewhere: rowmill export {job} -o FILE",
    Message.OUTPUT_UNWRITABLE: "The rows are saved; write them elsewhere: rowmill export {job} -o FILE",
    Message.OUTPUT_FAILED: "Check the disk, then write it again with `rowmill resume`.",
    Message.STDOUT_FAILED: "Write it again: rowmill resume {job} > FILE",
    Message.INPUT_FORMAT_UNKNOWN: "Use one of {known}, or name the format with --input-format.",
    Message.OUTPUT_FORMAT_UNKNOWN: "Use one of {known}, or name the format with --format.",
    Message.CONNECTION_UNKNOWN: "Add it: rowmill connections add NAME",
    Message.CONNECTION_GONE: "Add it again: rowmill connections add {name}",
    Message.CONNECTION_EXISTS: "Replace it with --replace, or choose another name.",
    Message.CONNECTION_CHANGED: "Start over with --new.",
    Message.TOKEN_UNNAMED: "Say what it is for: rowmill tokens create NAME --scope run",
    Message.TOKEN_UNKNOWN: "List tokens with `rowmill tokens list`.",
    Message.WEBHOOK_UNKNOWN: "",
    Message.DELIVERY_UNKNOWN: "",
}
