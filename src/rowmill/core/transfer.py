"""What an import brings in and an export takes out, and what one commit of them writes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rowmill.core.status import RowStatus

IMPORTABLE_TO = 1 << 62
"""The last row number of an import whose file has not been read to its end."""


@dataclass(frozen=True, slots=True)
class Source:
    """The file of an import: its absolute path, and what messages call it."""

    location: str
    format: str
    name: str
    content_hash: str
    kept: bool = False
    """It is Rowmill's own copy (of standard input or a URL), removed once the import has ended."""


@dataclass(frozen=True, slots=True)
class ExportSpec:
    """What an export takes: rows of the job ``origin`` as they stood at its sequence number ``seq``, those that were
    ``only`` so, or, without an origin, records of a dataset. ``columns`` pairs each source column with its name in the
    file."""

    columns: list[tuple[str, str]]
    origin: int | None = None
    origin_id: str | None = None
    seq: int | None = None
    only: str | None = None
    safe_cells: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What an import did to its dataset: records created and updated, and lines that changed nothing."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


@dataclass(slots=True)
class Position:
    """How far an import or export has come, besides its counts; kept with the job."""

    rows: int = 0
    """Records of the dataset once the import shows up in it."""

    columns: list[str] = field(default_factory=list)
    """Columns of the dataset then."""

    changed: int = 0
    """Records that the import has created or updated since its dataset was last seen to change."""

    after: int = 0
    """The last row of the origin that the export has looked at."""

    offset: int = 0
    """Bytes of the export's file that are safe on disk."""


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that cannot be brought in: why, and what could be read of it, by column."""

    number: int
    code: str
    message: str
    values: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Rows ``lo`` to ``hi`` that went the same way; row ``lo`` is ``record``, the next row the next record."""

    lo: int
    hi: int
    status: RowStatus
    code: str | None
    record: int | None


@dataclass(slots=True)
class ImportBatch:
    """What one commit of an import brings in: lines that fit the dataset, in parallel lists, and lines that do not."""

    numbers: Sequence[int] = ()
    keys: list[str] = field(default_factory=list)
    """Of each line; empty in a dataset without a key."""

    data: list[str] = field(default_factory=list)
    """The values of each line by the dataset's columns, as a JSON array without trailing nulls."""

    refused: list[RejectedLine] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    """The dataset's columns, which new ones of the file have joined at the end."""

    covered: list[int] | None = None
    """Places of the dataset's columns that the file has, where it has not all of them: the others keep their values."""

    read_to: int = 0
    """The last line of the file that was read."""

    total: int | None = None
    """How many lines there are, once that is known."""

    retried: bool = False
    """These lines were refused before."""


@dataclass(slots=True)
class ExportBatch:
    """What one commit of an export says is safely in the file: rows ``lo`` to ``hi``."""

    lo: int
    hi: int
    position: Position
