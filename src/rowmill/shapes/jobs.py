"""Jobs."""

from dataclasses import dataclass
from datetime import datetime

from rowmill.core.status import JobStatus, JobType, PauseReason, WaitingFor
from rowmill.shapes.base import Json, Shape


@dataclass(frozen=True)
class JobError(Shape):
    """What stopped a job, and how to fix it."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True)
class Price(Shape):
    """A model's price in dollars per million tokens, pinned when the job was created."""

    input: float
    output: float


@dataclass(frozen=True)
class Step(Shape):
    """What is done to each row. Secrets are never part of it."""

    name: str
    processor: str
    config: Json
    outputs: dict[str, Json]
    """The output columns, each with the JSON Schema of its values."""
    inputs: list[str] | None
    """The columns that the step uses; null for all."""
    price: Price | None
    """Null if the price is not known."""


@dataclass(frozen=True)
class Settings(Shape):
    """Settings that can be changed while the job runs."""

    concurrency: int
    """Rows in flight at a time."""
    max_attempts: int
    """Attempts per row and step."""
    timeout: float
    """Seconds that one attempt may take."""
    rpm: int | None
    """Calls per minute; null for no limit."""
    tpm: int | None
    """Tokens per minute; null for no limit."""
    budget_usd: float | None
    """The job pauses before it costs more than this."""


@dataclass(frozen=True)
class Execution(Shape):
    """One stretch of a job between a start and the next stop."""

    number: int
    engine: str
    started_at: datetime
    finished_at: datetime | None
    ended_as: str | None
    """A job status, or `crashed`; null while it lasts."""
    processed: int
    uncertain: int


@dataclass(frozen=True)
class ExportedColumn(Shape):
    """A column of an exported file."""

    column: str
    name: str
    """What the column is called in the file."""


@dataclass(frozen=True)
class ExportSpec(Shape):
    """What an export writes."""

    job: str | None
    """The job whose rows are written; null if a dataset is."""
    only: str | None
    columns: list[ExportedColumn]
    safe_cells: bool


@dataclass(frozen=True)
class Source(Shape):
    """The file that an import reads."""

    file: str
    format: str


@dataclass(frozen=True)
class Destination(Shape):
    """Where a job's file is written."""

    path: str
    format: str
    overwrite: bool


@dataclass(frozen=True)
class JobSummary(Shape):
    """A job without what it was given to work with, such as prompts, paths and settings: this is what webhooks get."""

    id: str
    """Such as `job_4m1x2y3z5a6b`."""
    type: JobType
    name: str
    status: JobStatus
    pause_reason: PauseReason | None
    needs_attention: bool
    """The job is completed, and its failed rows have been neither retried nor dismissed."""
    error: JobError | None
    total: int | None
    """Number of rows; null until it is known."""
    processed: int
    """Rows that succeeded, failed or were skipped."""
    succeeded: int
    failed: int
    skipped: int
    unprocessed: int | None
    tokens_in: int
    """Input tokens of all attempts."""
    tokens_out: int
    """Output tokens of all attempts."""
    cost_usd: float | None
    """Cost of all attempts; null if no price is known."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_seconds: float
    """How long the job's executions took in total."""
    dataset: str
    metadata: Json
    """Your own notes."""


@dataclass(frozen=True)
class Job(JobSummary):
    """A job."""

    stopping: bool
    """A pause or cancel was requested, and rows are still in flight."""
    interrupted: bool
    """The status is `running`, but no living worker has the job."""
    waiting_for: WaitingFor | None
    running: int
    """Rows in flight."""
    uncertain: int
    """Calls that were in flight when a process died, and may have been made twice."""
    progress: float | None
    """Per cent of `total`."""
    rate: float | None
    """Recent speed in rows per second."""
    eta_seconds: float | None
    created: int | None
    """Records that an import created; null for other jobs."""
    updated: int | None
    """Records that an import updated; null for other jobs."""
    unchanged: int | None
    """Lines of an import that changed nothing; null for other jobs."""
    concurrency: int
    settings: Settings
    steps: list[Step]
    source: Source | None
    extract: ExportSpec | None
    output: Destination | None
    file: str | None
    """The upload that an import reads, or the download that an export writes."""
    executions: list[Execution] | None
    """Null in lists of jobs."""
