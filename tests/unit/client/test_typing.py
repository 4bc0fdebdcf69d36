"""Both kinds of client are typed, although each method is written once."""

from pathlib import Path

import pytest
from mypy import api

SOURCE = """
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, assert_type

import rowmill
from rowmill import AsyncClient, AsyncJob, Client, Job, LocalJob
from rowmill.client.events import Event
from rowmill.shapes.files import File
from rowmill.shapes.rows import Row
from rowmill.shapes.tokens import Token

client = Client()
assert_type(client.jobs.get("job_1"), Job)
assert_type(client.jobs.list(status="running"), Iterator[Job])
assert_type(client.jobs.get("job_1").pause().wait(3.0, check=True), Job)
assert_type(client.jobs.create("a.csv", prompt="?", output={"mood": "good | bad"}), Job)
assert_type(client.jobs.rows("job_1"), Iterator[Row])
assert_type(client.jobs.get("job_1").events(), Iterator[Event])
assert_type(client.files.upload(b""), File)
assert_type(client.tokens.list(), Iterator[Token])
assert_type(client.jobs.results("job_1").to_list(), list[dict[str, Any]])
assert_type(rowmill.enrich("a.csv", prompt="?"), LocalJob)
assert_type(rowmill.enrich("a.csv", prompt="?").retry(rows="1-3"), LocalJob)
for row in client.jobs.results("job_1"):
    assert_type(row, dict[str, Any])

async def asynchronous() -> None:
    async with AsyncClient() as client:
        assert_type(client.jobs.get("job_1"), Coroutine[Any, Any, AsyncJob])  # type: ignore[unused-coroutine]
        job = await client.jobs.get("job_1")
        assert_type(job, AsyncJob)
        assert_type(await job.retry(failed_only=True), AsyncJob)
        assert_type(client.jobs.list(), AsyncIterator[AsyncJob])
        assert_type(await client.files.upload(Path("a.csv")), File)
        async for row in job.results():
            assert_type(row, dict[str, Any])
        for wrong in job.results():  # type: ignore[misc]
            pass

client.jobs.get(3)  # type: ignore[arg-type]
client.jobs.create("a.csv", prompt=3)  # type: ignore[arg-type]
client.jobs.create("a.csv", promt="?")  # type: ignore[call-arg]
client.jobs.get("job_1").update(concurrency="many")  # type: ignore[arg-type]
"""


@pytest.mark.slow
def test_mypy_infers_every_type_and_sees_every_mistake(tmp_path: Path) -> None:
    (tmp_path / "uses.py").write_text(SOURCE)
    root = Path(__file__).parents[3]
    told, complained, code = api.run(
        [
            "--strict",
            "--config-file",
            str(root / "pyproject.toml"),
            "--cache-dir",
            str(root / ".mypy_cache"),
            str(tmp_path / "uses.py"),
        ]
    )
    assert (code, complained) == (0, ""), told
