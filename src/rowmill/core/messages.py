"""What Rowmill says below the interfaces, where the advice differs between them.

A message is a sentence about what happened, without a command, an option or a path of the API in it. Each interface
has one table from messages to advice in its own words: ``cli/remedies.py``, ``http/remedies.py`` and
``local/remedies.py``. An error whose advice is the same everywhere carries both as text and has no entry here.
"""

from collections.abc import Mapping
from enum import Enum, unique
from string import Formatter


def fields(template: str) -> set[str]:
    """The names of the parameters in ``template``."""
    return {name for _, name, _, _ in Formatter().parse(template) if name}


@unique
class Message(Enum):
    """The name is stored with a job. After the sentence stand the parameters that only remedies use."""

    JOB_BUSY = "The job is being run by process {pid}."
    JOB_BEING_CANCELLED = "The job is being cancelled by process {pid}."
    CLAIM_LOST = "Another process has taken over the job."
    JOB_DELETED = "The job was deleted."
    JOB_UNKNOWN = "There is no job {name!r}."
    NO_FAILED_ROW = "The job has no failed row to retry."
    DATASET_DELETED = "The job's dataset has just been deleted."
    DATASET_HAS_JOBS = "The dataset has results of {jobs} ({status})."
    DATASET_IN_USE = "The dataset is needed by {jobs} ({status}).", "job"
    DATASET_BEING_IMPORTED = "{job}, which is {status}, imports into this dataset."
    FILE_UNKNOWN = "There is no file {file}."
    FILE_DELETED = "The file was deleted."
    NAME_UNKNOWN = "There is neither a job nor a dataset {name!r}."
    ROWS_PER_MONTH_REACHED = "The limit of {rows} rows a month is reached."
    USD_PER_MONTH_REACHED = "The limit of ${cost} a month is reached."
    BUDGET_REACHED = "One more row may go over the budget of ${budget}.", "job"
    RATE_LIMIT_REACHED = "The provider refused every call for 15 minutes (rate limit).", "job"
    COLUMN_EXISTS = "The input already has a column {column!r}."
    OUTPUT_EXISTS = "{path} exists already."
    OUTPUT_APPEARED = "{path} exists already; it was not there when the export was made."
    OUTPUT_FOREIGN = "{path} was not written by this job, so it was left alone.", "job"
    OUTPUT_UNWRITABLE = "{path} cannot be written: {error}.", "job"
    OUTPUT_FAILED = "{path} could not be written: {error}."
    STDOUT_FAILED = "Standard output cannot be written: {error}.", "job"
    INPUT_FORMAT_UNKNOWN = "{what} does not name a table format.", "known"
    OUTPUT_FORMAT_UNKNOWN = "{what} does not name an output format.", "known"
    CONNECTION_UNKNOWN = "There is no connection {name!r}."
    CONNECTION_GONE = "The connection {name!r} does not exist any more."
    CONNECTION_EXISTS = "A connection {name} already exists."
    CONNECTION_CHANGED = "The connection {name} now reaches models of {provider}, not of {expected}."
    TOKEN_UNNAMED = "The token has no name."  # noqa: S105 - a sentence
    TOKEN_UNKNOWN = "There is no token {name!r}."  # noqa: S105 - a sentence
    WEBHOOK_UNKNOWN = "There is no webhook {webhook}."
    DELIVERY_UNKNOWN = "The webhook has no delivery {delivery}."

    def __init__(self, sentence: str, *more: str) -> None:
        self.sentence = sentence
        self.parameters = fields(sentence) | set(more)

    def text(self, parameters: Mapping[str, object]) -> str:
        """The sentence with its parameters filled in."""
        assert parameters.keys() == self.parameters, (self, parameters)
        return self.sentence.format_map(parameters)


Remedies = Mapping[Message, str]
"""What to do about each message, in the words of one interface; empty where that interface never shows it."""
