"""What requests carry: new jobs and datasets, changes, retries."""

from typing import Annotated, Any, Literal

import jsonschema_rs
from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator
from pydantic.json_schema import SkipJsonSchema

from rowmill.http.inputs import Input, Json, JsonInput, Name


def _is_schema(given: Json) -> Json:
    try:
        jsonschema_rs.validator_for(given, offline=True)
    except ValueError as error:
        raise ValueError(f"is no JSON Schema: {str(error).splitlines()[0]}") from None
    return given


Schema = Annotated[
    JsonInput,
    AfterValidator(_is_schema),
    Field(description="A JSON Schema.", examples=[{"type": "string", "enum": ["good", "bad"]}]),
]
Columns = Annotated[
    dict[str, Schema],
    Field(
        min_length=1,
        max_length=200,
        description="The output columns, each with the JSON Schema of its values.",
        examples=[{"sentiment": {"type": "string", "enum": ["positive", "negative"]}}],
    ),
]
Ranges = Annotated[str, Field(max_length=10_000, pattern=r"^[0-9, -]+$", examples=["1-100", "7, 500-"])]
Dataset = Annotated[str, Field(min_length=1, max_length=200, description="A dataset's id or name.")]
FileId = Annotated[str, Field(pattern=r"^file_[a-z0-9]+$", description="An upload, or a download that a job made.")]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=200)], Annotated[str, Field(max_length=2000)]],
    Field(max_length=50, description="Your own notes, kept as they are."),
]


class PriceInput(Input):
    """Dollars per million tokens."""

    input: Annotated[float, Field(ge=0, le=1e6, strict=False)]
    output: Annotated[float, Field(ge=0, le=1e6, strict=False)]


class _StepInput(Input):
    name: Name | None = Field(None, description="The step's name; default: its processor.")
    output: Columns = Field(default_factory=lambda: {"result": {"type": "string"}})


class PromptStep(_StepInput):
    """A model fills the columns."""

    processor: Literal["prompt"] = "prompt"
    prompt: str = Field(min_length=1, max_length=500_000, examples=["Is this review positive? {{review}}"])
    system: str | None = Field(None, max_length=500_000)
    model: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        description="PROVIDER/MODEL, or just MODEL with a connection; default: the server's ROWMILL_MODEL.",
        examples=["openai/gpt-5-mini", "local/smollm2"],
    )
    connection: Name | None = Field(None, description="The connection whose address, key and limits are used.")
    settings: JsonInput = Field(default_factory=dict, description="Model settings, passed on as they are.")
    price: PriceInput | None = Field(None, description="Where the model's price is not known.")


class HttpStep(_StepInput):
    """One HTTP request per row fills the columns."""

    processor: Literal["http"]
    url: str = Field(min_length=1, max_length=10_000, examples=["https://api.example.com/v1/{{id}}"])
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = Field(
        None, description="Default: GET, or POST with a body."
    )
    headers: dict[str, str] = Field(default_factory=dict, max_length=50)
    body: str | None = Field(None, max_length=500_000)
    results: dict[str, str] = Field(
        default_factory=dict, description="The JSONPath of each column's value.", examples=[{"city": "$.address.city"}]
    )
    allow_private: bool = Field(False, description="Only where the server allows it: serve --allow-private.")


class PythonStep(_StepInput):
    """A Python function fills the columns; only one that the server allows by name."""

    processor: Literal["python"]
    function: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$", max_length=500, examples=["shop.rules:classify"]
    )


class PluginStep(_StepInput):
    """A processor that is installed on the server fills the columns."""

    processor: Annotated[str, Field(min_length=1, max_length=200)]
    config: JsonInput = Field(default_factory=dict, description="What the processor takes.")


def _kind(raw: Any) -> str:
    named = raw.get("processor", "prompt") if isinstance(raw, dict) else getattr(raw, "processor", None)
    return named if named in ("prompt", "http", "python") else "plugin"


StepInput = Annotated[
    Annotated[PromptStep, Tag("prompt")]
    | Annotated[HttpStep, Tag("http")]
    | Annotated[PythonStep, Tag("python")]
    | Annotated[PluginStep, Tag("plugin")],
    Discriminator(_kind),
]


class SettingsInput(Input):
    """What steers a job and may be changed while it runs."""

    concurrency: int | None = Field(None, ge=1, le=10_000, description="Rows in flight at a time; default: 5.")
    max_attempts: int | None = Field(None, ge=1, le=100, description="Attempts per row and step; default: 3.")
    timeout: float | None = Field(None, gt=0, le=86_400, strict=False, description="Seconds for one call; 60.")
    rpm: int | None = Field(None, ge=1, le=10_000_000, description="Calls a minute, over all jobs with the same key.")
    tpm: int | None = Field(None, ge=1, le=10_000_000_000, description="Tokens a minute, likewise.")
    budget_usd: float | None = Field(
        None, gt=0, le=1e9, strict=False, description="The job pauses before it costs more."
    )


class _JobInput(Input):
    name: Name | None = None
    metadata: Metadata = Field(default_factory=dict)
    start: bool = Field(True, description="false: the job begins as paused, until it is started.")


class EnrichmentInput(_JobInput, SettingsInput):
    """Fills columns of every row with a model, an HTTP API or a function. The rows are those of a dataset, of an
    uploaded file, of the request itself, or what another job left."""

    type: Literal["enrichment"]
    dataset: Dataset | None = None
    file: FileId | None = None
    rows: list[JsonInput] | None = Field(
        None, min_length=1, description="The rows themselves, up to 10 MB of them.", examples=[[{"review": "Lovely."}]]
    )
    from_job: str | None = Field(None, max_length=100, description="The job whose rows are taken (with `only`).")
    steps: list[StepInput] = Field(
        default_factory=list, max_length=20, description="What is done to each row, in order. With `from_job` as there."
    )
    only: Literal["all", "new", "changed", "failed", "unprocessed"] | None = Field(
        None,
        description="Of a dataset: records without a result (`new`), or also those whose values have changed "
        "(`changed`). Of another job: its `failed` or `unprocessed` rows.",
    )
    select: Ranges | None = Field(None, description="Only these rows.")
    where: str | None = Field(None, max_length=10_000, description="Only records for which this holds.")
    keys: list[Annotated[str, Field(min_length=1)]] | None = Field(None, description="Only records with these keys.")


class FieldInput(Input):
    """What a column of a dataset holds."""

    name: Name
    type: Literal["text", "integer", "number", "boolean", "date", "list", "enum"]
    required: bool = False
    values: list[Annotated[str, Field(min_length=1, pattern=r"\S")]] = Field(
        default_factory=list, description="Of an enum: what it may be."
    )


class ImportInput(_JobInput):
    """Takes a file into a dataset: an upload, or what stands at a URL or path that the server allows."""

    type: Literal["import"]
    dataset: Name | None = Field(None, description="Created if it does not exist; default: the file's name.")
    file: FileId | None = None
    url: str | None = Field(None, min_length=1, max_length=10_000, examples=["s3://bucket/reviews.csv"])
    path: str | None = Field(None, min_length=1, max_length=4096)
    format: str | None = Field(None, max_length=20, description="csv, tsv, jsonl, parquet, xlsx; told by the suffix.")
    key: Name | None = Field(None, description="The column that tells one record from another.")
    fields: list[FieldInput] = Field(default_factory=list, max_length=2000)


class ExportColumn(Input):
    """A column of the file, and its name there."""

    column: str = Field(min_length=1)
    name: str | None = Field(None, min_length=1)


class ExportInput(_JobInput):
    """Writes a dataset, or a job's rows, to a file: a download unless it is told where to."""

    type: Literal["export"]
    dataset: Dataset | None = None
    job: str | None = Field(None, max_length=100)
    only: Literal["succeeded", "failed", "unprocessed"] | None = None
    format: str | None = Field(None, max_length=20, description="csv, tsv, jsonl, parquet or xlsx; default: csv.")
    columns: list[ExportColumn] = Field(default_factory=list, max_length=2000)
    safe_cells: bool | None = Field(None, description="Keep text from being taken for a formula.")
    select: Ranges | None = None
    where: str | None = Field(None, max_length=10_000)
    url: str | None = Field(None, min_length=1, max_length=10_000, examples=["s3://bucket/out.parquet"])
    path: str | None = Field(None, min_length=1, max_length=4096)
    overwrite: bool = False


JobInput = Annotated[EnrichmentInput | ImportInput | ExportInput, Field(discriminator="type")]


class JobChange(SettingsInput):
    """What is to change; what is left out stays. A number given as null goes back to what it is where nobody says."""

    name: Name | SkipJsonSchema[None] = None
    metadata: Metadata | SkipJsonSchema[None] = None

    @field_validator("name", "metadata")
    @classmethod
    def _given(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("is not to be null; leave it out to keep it")
        return value


class RetryInput(Input):
    """Which failed rows to retry; default: all."""

    rows: Ranges | None = None
    codes: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        None, min_length=1, max_length=100, description="Only rows that failed with one of these."
    )
    failed_only: bool = Field(False, description="Leave rows that were never tried alone.")


class DatasetInput(Input):
    """An empty dataset. Imports fill it."""

    name: Name = Field(examples=["products"])
    key: Name | None = Field(None, description="The column that tells one record from another.")
    fields: list[FieldInput] = Field(default_factory=list, max_length=2000)
