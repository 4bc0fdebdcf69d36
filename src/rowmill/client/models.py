"""What the API gives out, as frozen dataclasses; statuses and the like are plain strings, moments aware datetimes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class JobError:
    """What stopped a job, and how to mend it."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens."""

    input: float
    output: float


@dataclass(frozen=True)
class Step:
    """What is done to each row."""

    name: str
    processor: str
    config: Json
    outputs: dict[str, Json]
    inputs: list[str] | None = None
    price: Price | None = None


@dataclass(frozen=True)
class JobSettings:
    """What steers a job. ``timeout`` is seconds for one call."""

    concurrency: int
    max_attempts: int
    timeout: float
    rpm: int | None = None
    tpm: int | None = None
    budget_usd: float | None = None


@dataclass(frozen=True)
class Execution:
    """One stretch of a job between a start and the next stop."""

    number: int
    engine: str
    started_at: datetime
    finished_at: datetime | None
    ended_as: str | None
    processed: int
    uncertain: int


@dataclass(frozen=True)
class ExtractColumn:
    """A column of an export's file."""

    column: str
    name: str = field(metadata={"key": "as"})


@dataclass(frozen=True)
class ExportSpec:
    """What an export takes."""

    job: str | None
    only: str | None
    columns: list[ExtractColumn]
    safe_cells: bool


@dataclass(frozen=True)
class Source:
    """The file of an import."""

    file: str
    format: str


@dataclass(frozen=True)
class Destination:
    """Where a job's file goes."""

    path: str
    format: str
    overwrite: bool = False


@dataclass(frozen=True)
class RowError:
    """Why a row, or an attempt, failed."""

    code: str
    message: str | None


@dataclass(frozen=True)
class Attempt:
    """One try of one step."""

    step: int
    attempt: int
    started_at: datetime
    duration_seconds: float
    outcome: str
    error: RowError | None
    tokens_in: int
    tokens_out: int
    cost_usd: float | None


@dataclass(frozen=True)
class Row:
    """A row of a job. ``values`` are those of its record, ``output`` what was found for it."""

    number: int
    record: int | None
    status: str
    values: Json
    output: Json | None
    error: RowError | None
    attempts: list[Attempt]


@dataclass(frozen=True)
class File:
    """An upload, or the download that the export ``job`` makes. ``size`` is in bytes, ``None`` until it is whole."""

    id: str
    name: str
    size: int | None
    sha256: str | None
    job: str | None
    created_at: datetime


@dataclass(frozen=True)
class Field:
    """What a column of a dataset holds."""

    name: str
    type: str
    required: bool
    values: list[str]


@dataclass(frozen=True)
class Dataset:
    """A table as it stands. ``result_columns`` are what jobs have added; only where one dataset is asked for."""

    id: str
    name: str
    rows: int
    columns: list[str]
    key: str | None
    fields: list[Field]
    revision: int
    created_at: datetime
    result_columns: list[str] | None = None


@dataclass(frozen=True)
class Record:
    """A record as it stands. Its number never changes."""

    record: int
    values: Json


@dataclass(frozen=True)
class Version:
    """A record's values as of one revision of the dataset, until that in which a later one ``superseded`` it."""

    revision: int
    superseded: int | None
    values: Json


@dataclass(frozen=True)
class Found:
    """What a job found for a record."""

    job: str
    execution: int
    row: int
    step_versions: list[str]
    model: str | None
    output: Json


@dataclass(frozen=True)
class RecordHistory:
    """A record with its versions and results, the oldest first."""

    record: int
    versions: list[Version]
    results: list[Found]


@dataclass(frozen=True)
class Connection:
    """How a model provider is reached."""

    id: str
    name: str
    provider: str
    base_url: str | None
    has_key: bool
    rpm: int | None
    tpm: int | None
    created_at: datetime


@dataclass(frozen=True)
class ConnectionTested:
    """``outcome`` is ``valid``, ``refused``, ``no_credit``, ``unreachable`` or ``unknown_model``."""

    outcome: str
    message: str


@dataclass(frozen=True)
class Token:
    """Who may use the API."""

    id: str
    name: str
    scope: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True)
class NewToken(Token):
    """``token`` is what must be sent; it is never shown again."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class Limits:
    """The limits of a month, with what is used and left."""

    month: str
    rows_per_month: int | None
    rows_used: int
    rows_left: int | None
    usd_per_month: float | None
    usd_used: float
    usd_left: float | None


@dataclass(frozen=True)
class Usage:
    """What was used on one day, of one model or by one job."""

    day: str | None
    model: str | None
    job: str | None
    rows: int
    attempts: int
    tokens_in: int
    tokens_out: int
    cost_usd: float


@dataclass(frozen=True)
class Webhook:
    """Somebody who is told of what happens to jobs."""

    id: str
    url: str
    events: list[str]
    active: bool
    created_at: datetime


@dataclass(frozen=True)
class NewWebhook(Webhook):
    """``secret`` verifies signatures; it is never shown again."""

    secret: str = field(repr=False)


@dataclass(frozen=True)
class DeliveryAttempt:
    """One try."""

    number: int
    at: datetime
    duration_seconds: float
    http_status: int | None
    error: str | None


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one webhook."""

    id: str
    type: str
    status: str
    payload: Json
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: list[DeliveryAttempt]


@dataclass(frozen=True)
class Worker:
    """An engine: in a server, or in a command that works a job."""

    id: str
    pid: int
    alive: bool
    joined_at: datetime
    jobs: list[str]
