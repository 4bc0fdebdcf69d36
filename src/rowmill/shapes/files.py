"""Uploads and downloads."""

from dataclasses import dataclass
from datetime import datetime

from rowmill.shapes.base import Shape


@dataclass(frozen=True)
class File(Shape):
    """A file that was uploaded, or that an export writes."""

    id: str
    """Such as `file_4m1x2y3z5a6b`."""
    name: str
    size: int | None
    """In bytes; null for a download that is not complete yet."""
    sha256: str | None
    """Of its content, in hex; null for a download that is not complete yet."""
    job: str | None
    """The export that writes it; null for an upload."""
    created_at: datetime
