"""Datasets and their records."""

from dataclasses import dataclass
from datetime import datetime

from rowmill.shapes.base import Json, Shape


@dataclass(frozen=True)
class Field(Shape):
    """What a column of a dataset holds."""

    name: str
    type: str
    required: bool
    values: list[str]
    """The allowed values of an enum; empty for other types."""


@dataclass(frozen=True)
class Dataset(Shape):
    """A dataset. Each import that changes something creates a new revision."""

    id: str
    """Such as `ds_4m1x2y3z5a6b`."""
    name: str
    rows: int
    columns: list[str]
    key: str | None
    """The column that identifies a record."""
    fields: list[Field]
    revision: int
    created_at: datetime
    result_columns: list[str] | None
    """Columns that jobs have added; null in lists of datasets."""


@dataclass(frozen=True)
class Record(Shape):
    """A record with its current values, including those that jobs have added."""

    record: int
    """Its number within the dataset, which never changes."""
    values: Json


@dataclass(frozen=True)
class Version(Shape):
    """A record's values as of one revision of the dataset."""

    revision: int
    superseded: int | None
    """The revision in which a later version replaced this one."""
    values: Json


@dataclass(frozen=True)
class Result(Shape):
    """What a job found for a record."""

    job: str
    execution: int
    row: int
    """The number of the job's row."""
    step_versions: list[str]
    model: str | None
    output: Json


@dataclass(frozen=True)
class RecordHistory(Shape):
    """A record with its versions and results, oldest first."""

    record: int
    versions: list[Version]
    results: list[Result]
