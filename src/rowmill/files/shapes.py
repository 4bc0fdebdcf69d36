"""Uploads and downloads."""

from pydantic import Field

from rowmill.shapes.base import Moment, Output


class FileOutput(Output):
    """A file that was uploaded, or that an export makes."""

    id: str = Field(examples=["file_4m1x2y3z5a6b"])
    name: str = Field(examples=["reviews.csv"])
    size: int | None = Field(description="Bytes; null for a download that is not whole yet.")
    sha256: str | None = Field(description="Of its content, in hex; null for a download that is not whole yet.")
    job: str | None = Field(description="The export that makes it; null for an upload.")
    created_at: Moment
