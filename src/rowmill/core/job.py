"""A job and what belongs to it, as frozen records."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

from rowmill.core.errors import RowmillError
from rowmill.core.messages import Message, Remedies
from rowmill.core.money import Price
from rowmill.core.outcome import NO_USAGE, Usage
from rowmill.core.progress import Counts
from rowmill.core.status import Action, JobStatus, JobType, PauseReason, RowStatus
from rowmill.core.transfer import Changes, ExportSpec, Position, Source


@dataclass(frozen=True, slots=True)
class Step:
    """One processor and what it is told. ``outputs`` maps each output column to its JSON Schema; ``inputs`` are the
    columns that it uses, ``None`` for all; ``price`` is that of its model, pinned when the job is made, ``None`` where
    it is not known."""

    name: str
    processor: str
    config: dict[str, Any]
    outputs: dict[str, dict[str, Any]]
    inputs: list[str] | None = None
    price: Price | None = None

    @property
    def version(self) -> str:
        """Twelve hex digits that change when anything about the step does."""
        whole = orjson.dumps([self.processor, self.config, self.outputs], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(whole).hexdigest()[:12]

    @property
    def model(self) -> str | None:
        """``provider/model``, where the step has one."""
        model = self.config.get("model")
        return f"{self.config.get('provider')}/{model}" if model else None

    @property
    def connection(self) -> str | None:
        """The name of the connection that its calls go over."""
        given = self.config.get("provider_config")
        return given.get("connection") if isinstance(given, dict) else None


@dataclass(frozen=True, slots=True)
class Settings:
    """What steers a job and may change while it runs."""

    concurrency: int = 5
    max_attempts: int = 3
    timeout: float = 60.0
    """Seconds that one attempt may take."""

    rpm: int | None = None
    tpm: int | None = None
    budget: int | None = None
    """Nano-dollars that the whole job may cost."""


@dataclass(frozen=True, slots=True)
class JobError:
    """What stopped a job. Where the advice differs between interfaces, ``reason`` is the name of a ``Message`` and
    there is no ``hint``."""

    code: str
    message: str
    hint: str = ""
    reason: str = ""
    parameters: dict[str, str | int] = field(default_factory=dict)

    @classmethod
    def of(cls, error: RowmillError, code: str = "") -> Self:
        """``error`` as it is stored with the job that it stopped."""
        reason = error.reason.name if error.reason else ""
        return cls(code or error.code, error.message, error.hint, reason, error.parameters)

    @classmethod
    def because(cls, code: str, message: Message, **parameters: str | int) -> Self:
        """``message`` as it is stored with a job that stops without an exception."""
        return cls(code, message.text(parameters), reason=message.name, parameters=parameters)

    def advice(self, remedies: Remedies) -> str:
        """What to do, in the words of one interface."""
        return self.hint or (remedies[Message[self.reason]].format_map(self.parameters) if self.reason else "")


@dataclass(frozen=True, slots=True)
class Output:
    """The file that a job's rows are written to when they are done; ``path`` is absolute, or ``-`` for stdout."""

    path: str
    format: str
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class JobDraft:
    """A job before it is stored. ``selection`` holds ranges of record numbers, in order: of its dataset as it stood at
    ``revision``, with the results that it had at ``result_version``."""

    type: JobType
    name: str
    dataset: int
    selection: Iterable[tuple[int, int]]
    steps: list[Step]
    settings: Settings
    identity: str
    """A hash of everything that makes another run the same run."""

    output: Output | None = None
    from_job: int | None = None
    """Takes the rows that this job left ``from_status``, instead of ``selection``."""

    from_status: str | None = None
    revision: int = 1
    result_version: int = 0
    source: Source | None = None
    extract: ExportSpec | None = None
    rows: int | None = None
    """How many rows there are, where neither a selection nor another job says so."""

    metadata: dict[str, Any] = field(default_factory=dict)
    """The user's own, kept as it is."""

    file: str | None = None
    """The upload that an import reads from, or the download that an export makes."""

    id: str | None = None
    """Chosen beforehand by whoever must find the job again; else a new one."""

    detached: bool = False
    """It is left to whichever worker is there; else only the process that makes it is to work it."""

    held: bool = False
    """It begins as paused, so that nothing works it before it is told to."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The engine that holds a job: its process, and whether that is alive."""

    engine: str
    pid: int
    alive: bool


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """An engine that is known to the store, with the ids of the jobs that it holds."""

    id: str
    pid: int
    joined_at: float
    alive: bool
    jobs: list[str]


@dataclass(frozen=True, slots=True)
class Pace:
    """Of the execution under way: when it began, and a moment of the recent past with the job's count then."""

    started_at: float
    rate_sample_at: float
    rate_sample_processed: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands in the store. ``pk`` is the store's own number for it; times are Unix seconds."""

    pk: int
    id: str
    type: JobType
    name: str
    status: JobStatus
    pause_reason: PauseReason | None
    requested_action: Action | None
    error: JobError | None
    dismissed: bool
    counts: Counts
    uncertain: int
    running: int
    tokens_in: int
    tokens_out: int
    cost: int
    seq: int
    dataset: int
    dataset_id: str
    steps: list[Step]
    settings: Settings
    output: Output | None
    delivered: str | None
    """The output file as it was last written (its identity on disk), ``None`` while it was not."""

    created_at: float
    started_at: float | None
    finished_at: float | None
    owner: Owner | None = None
    pace: Pace | None = None
    worked: float = 0.0
    """Seconds that its ended executions took."""

    revision: int = 1
    result_version: int = 0
    source: Source | None = None
    extract: ExportSpec | None = None
    position: Position = field(default_factory=Position)
    changes: Changes = field(default_factory=Changes)
    metadata: dict[str, Any] = field(default_factory=dict)
    file: str | None = None
    detached: bool = False
    tolerated: str | None = None
    """The error code of the last failure spike: the user has seen it, so that it pauses the job no more."""

    @property
    def interrupted(self) -> bool:
        """Says ``running`` although no living engine has it."""
        return self.status is JobStatus.RUNNING and not (self.owner and self.owner.alive)

    @property
    def stopping(self) -> bool:
        return self.requested_action is not None

    @property
    def needs_attention(self) -> bool:
        return self.status is JobStatus.COMPLETED and self.counts.failed > 0 and not self.dismissed

    @property
    def priced(self) -> bool:
        """Whether what its calls cost is known."""
        return any(step.price is not None for step in self.steps)

    @property
    def columns(self) -> list[str]:
        """All output columns, in the order of the steps."""
        return [column for step in self.steps for column in step.outputs]


@dataclass(frozen=True, slots=True)
class Execution:
    """One stretch of a job between a claim and the next stop. ``ended_as`` is a status, ``crashed``, or ``None`` while
    it lasts; ``uncertain`` counts the calls that were in flight when it crashed or was aborted."""

    number: int
    engine: str
    started_at: float
    finished_at: float | None
    ended_as: str | None
    processed: int
    uncertain: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one step on one row. ``duration`` is in seconds, ``cost`` in nano-dollars."""

    step: int
    number: int
    started_at: float
    duration: float
    outcome: str
    code: str | None
    message: str | None
    usage: Usage = NO_USAGE
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a job as it stands: its source values, outputs and error. ``number`` counts from 1 within the job,
    ``record`` is its number within the dataset, ``None`` where it has none there. ``output`` of an import's row that
    was refused is what could be read of it."""

    number: int
    record: int | None
    status: RowStatus
    values: list[Any]
    output: dict[str, Any] | None = None
    code: str | None = None
    message: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
