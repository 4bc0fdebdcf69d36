"""Datasets, their records and what their columns hold."""

from pydantic import Field

from rowmill.shapes.base import Input, Json, Moment, Name, Output
from rowmill.shapes.jobs import FieldInput


class DatasetInput(Input):
    """An empty dataset. Imports fill it."""

    name: Name = Field(examples=["products"])
    key: Name | None = Field(None, description="The column that tells one record from another.")
    fields: list[FieldInput] = Field(default_factory=list, max_length=2000)


class FieldOutput(Output):
    """What a column holds."""

    name: str
    type: str
    required: bool
    values: list[str]


class DatasetOutput(Output):
    """A dataset as it stands. Each import that changes something makes a new revision."""

    id: str = Field(examples=["ds_4m1x2y3z5a6b"])
    name: str
    rows: int
    columns: list[str]
    key: str | None
    fields: list[FieldOutput]
    revision: int
    created_at: Moment
    result_columns: list[str] | None = Field(
        None, description="Columns that jobs have added; only where one dataset is asked for."
    )


class RecordOutput(Output):
    """A record as it stands, with what jobs have found for it."""

    record: int = Field(description="Its number within the dataset, which never changes.")
    values: Json


class VersionOutput(Output):
    """A record's values as of one revision of the dataset."""

    revision: int
    superseded: int | None = Field(description="The revision in which a later version took its place.")
    values: Json


class ResultOutput(Output):
    """What a job found for a record."""

    job: str
    execution: int
    row: int
    step_versions: list[str]
    model: str | None
    output: Json


class RecordHistory(Output):
    """A record with its versions and results, the oldest first."""

    record: int
    versions: list[VersionOutput]
    results: list[ResultOutput]
