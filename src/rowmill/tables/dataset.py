"""A dataset, and what is kept of its records."""

from dataclasses import dataclass
from typing import Any

from rowmill.tables.schema import Schema


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table that Rowmill holds. ``named`` ones last until they are deleted, others as long as a job needs them. Each
    import that changes something makes a new ``revision``; ``result_version`` counts the commits of results."""

    pk: int
    id: str
    name: str
    named: bool
    columns: list[str]
    rows: int
    revision: int
    result_version: int
    schema: Schema
    content_hash: str | None
    created_at: float


@dataclass(frozen=True, slots=True)
class Target:
    """The lasting dataset that an import goes into, created if there is none of that name; ``schema`` is merged into
    the one it has."""

    name: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class Version:
    """A record's values as of one revision of its dataset; a later one took their place at ``superseded``."""

    revision: int
    superseded: int | None
    values: list[Any]


@dataclass(frozen=True, slots=True)
class Result:
    """What a job found for a record, with where it comes from. ``result_version`` orders the results of a dataset."""

    result_version: int
    job: int
    job_id: str
    execution: int
    row: int
    output: dict[str, Any]
    input_hash: int
