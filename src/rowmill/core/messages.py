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

    def __init__(self, sentence: str, *more: str) -> None:
        self.sentence = sentence
        self.parameters = fields(sentence) | set(more)

    def text(self, parameters: Mapping[str, object]) -> str:
        """The sentence with its parameters filled in."""
        assert parameters.keys() == self.parameters, (self, parameters)
        return self.sentence.format_map(parameters)


Remedies = Mapping[Message, str]
"""What to do about each message, in the words of one interface; empty where that interface never shows it."""
