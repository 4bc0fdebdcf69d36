"""Files: uploads, and the downloads that exports make."""

from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import orjson

from rowmill.client.building import build
from rowmill.client.calls import M, Resource, call, stream
from rowmill.client.exchange import Exchange, Operation, Request, Stream, delete, get, items, whole
from rowmill.client.results import download
from rowmill.client.tables import Content, lines_of, upload_of
from rowmill.shapes.files import File


class Files(Resource[M]):
    """What was uploaded, and what exports have made."""

    @call
    def upload(self, content: Content, name: str | None = None) -> Exchange[File]:
        """Sends a file: its path, its bytes, or an open binary file, read as it is sent. The suffix of ``name`` (that
        of the file, unless told) says its format."""
        return upload(content, name)

    @stream
    def list(self) -> Stream[File]:
        """All files."""
        return items("/v1/files", lambda data: build(File, data))

    @call
    def get(self, file_id: str) -> Exchange[File]:
        """What is known of a file. Raises ``NotFound``."""
        return build(File, (yield from get(_path(file_id))))

    @call
    def download(self, file_id: str, path: str | Path) -> Exchange[Path]:
        """Writes the content of a file to ``path``, which is put in place in one step."""
        yield from fetch(file_id, Path(path))
        return Path(path)

    @call
    def delete(self, file_id: str) -> Exchange[None]:
        """Deletes a file that no unfinished job needs."""
        return delete(_path(file_id))


def upload(content: Content, name: str | None = None) -> Exchange[File]:
    """Sends a file; sent again after a broken connection, it is there once."""
    body, own_name = upload_of(content)
    headers = {"Content-Type": "application/octet-stream", "Idempotency-Key": uuid4().hex}
    answer = yield from whole(Request("POST", "/v1/files", {"name": name or own_name}, headers, body))
    return build(File, orjson.loads(answer))


def upload_table(table: Any, name: str | None = None) -> Generator[Operation, Any, File]:
    """Sends a table: a file as it is, rows as JSON Lines."""
    if isinstance(table, str | Path | bytes) or hasattr(table, "read"):
        return (yield from upload(table, name))
    lines = lines_of(table)
    try:
        return (yield from upload(lines.path, name or "rows.jsonl"))
    finally:
        lines.close()


def fetch(file_id: str, path: Path) -> Exchange[None]:
    """Writes the content of a file to ``path``, whole or not at all."""
    yield from download(Request("GET", f"{_path(file_id)}/content"), path)


def _path(file_id: str) -> str:
    return f"/v1/files/{quote(file_id, safe='')}"
