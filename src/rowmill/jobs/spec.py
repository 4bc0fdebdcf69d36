"""What a job is asked to be. Every interface maps its own input to one ``JobSpec``, without touching the store."""

from dataclasses import asdict, dataclass, field
from typing import Any

from rowmill.core.money import Price
from rowmill.core.status import JobType
from rowmill.plugins.contracts import Guard
from rowmill.tables.schema import Schema

Outputs = dict[str, dict[str, Any]]
"""The JSON Schema of each output column."""

TEXT: dict[str, Any] = {"type": "string"}


@dataclass(frozen=True, slots=True)
class FileSource:
    """A table at a path or URL, or on standard input (``-``). ``name`` is what messages call it, if not its location;
    ``guard`` limits where a URL may lead."""

    location: str
    format: str | None = None
    name: str | None = None
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class UploadSource:
    """A file that was uploaded, by its id."""

    id: str
    format: str | None = None


@dataclass(frozen=True, slots=True)
class RowsSource:
    """The rows themselves, each by column."""

    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A dataset, by its name or id."""

    name: str


@dataclass(frozen=True, slots=True)
class JobSource:
    """The rows of another job, by its id or a unique prefix of it."""

    name: str


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A name typed by a person: a dataset, or else a file (enrichment) or a job (export)."""

    name: str
    format: str | None = None


Source = FileSource | UploadSource | RowsSource | DatasetSource | JobSource | NamedSource


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptStep:
    """A model fills the columns. ``model`` is ``PROVIDER/MODEL``; over a connection, the provider may be left out."""

    prompt: str
    system: str | None = None
    model: str | None = None
    connection: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    price: Price | None = None
    outputs: Outputs
    name: str = "prompt"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpStep:
    """One HTTP request per row fills the columns. ``results`` maps a column to the JSONPath of its value."""

    url: str
    method: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    results: dict[str, str] = field(default_factory=dict)
    allow_private: bool = False
    outputs: Outputs
    name: str = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonStep:
    """A Python function, ``module:function``, fills the columns. ``path`` are directories searched for its module."""

    function: str
    path: tuple[str, ...] = ()
    outputs: Outputs
    name: str = "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginStep:
    """A processor from a plugin fills the columns."""

    processor: str
    config: dict[str, Any]
    outputs: Outputs
    name: str


StepSpec = PromptStep | HttpStep | PythonStep | PluginStep


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of the source the job covers. ``rows`` are ranges (``1-100``). For a dataset, ``only`` is ``new``
    (records without a result in one of the output columns), ``changed`` (also those whose input has changed since) or
    ``all``; for a job it is the status of the rows."""

    rows: str | None = None
    where: str | None = None
    keys: tuple[str, ...] = ()
    only: str | None = None


@dataclass(frozen=True, slots=True)
class FileOutput:
    """A file to write, at a path or URL, or to stdout (``-``); without a path, an export becomes a download.
    ``columns`` pairs each column with its name in the file, or is ``NAME`` or ``NAME=NEW NAME`` paired with ``None``;
    without any, all columns are written."""

    path: str | None
    format: str | None = None
    overwrite: bool = False
    columns: tuple[tuple[str, str | None], ...] = ()
    safe_cells: bool | None = None


@dataclass(frozen=True, slots=True)
class DatasetOutput:
    """The dataset that an import fills; without a name, it is named after the file. ``untyped`` are fields of
    ``schema`` that were only declared as required: they keep the type that the dataset has."""

    name: str | None = None
    schema: Schema = field(default_factory=Schema)
    untyped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SettingsSpec:
    """Settings of a job, each ``None`` to keep its default. ``budget`` is in nano-dollars; ``price`` is that of every
    step without a price of its own."""

    concurrency: int | None = None
    max_attempts: int | None = None
    timeout: float | None = None
    rpm: int | None = None
    tpm: int | None = None
    budget: int | None = None
    price: Price | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The settings that were given and can be changed while the job runs."""
        return {name: value for name, value in asdict(self).items() if value is not None and name != "price"}


@dataclass(frozen=True, slots=True)
class About:
    """``new`` never continues an earlier run; ``detach`` leaves the job to any worker; ``held`` creates it paused.
    ``id`` is the job's id if the caller has chosen one."""

    name: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    new: bool = False
    detach: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A job as it was asked for. Without ``steps``, an enrichment from another job repeats that job's steps."""

    type: JobType
    source: Source
    steps: tuple[StepSpec, ...] = ()
    selection: Selection = field(default_factory=Selection)
    output: FileOutput | DatasetOutput | None = None
    settings: SettingsSpec = field(default_factory=SettingsSpec)
    about: About = field(default_factory=About)
