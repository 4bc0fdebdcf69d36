"""Every example runs, and the folder's page names every example."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowmill.testing import ModelServer

from .pages import EXAMPLES
from .reader import Reader


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as answering:
        yield answering


@pytest.fixture
def reader(tmp_path: Path, server: ModelServer) -> Iterator[Reader]:
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    someone = Reader(tmp_path, server.url)
    yield someone
    someone.close()


def test_reviews_openai(reader: Reader, server: ModelServer) -> None:
    ended = reader.run("MODEL=openai/some-model sh reviews_openai.sh")
    assert ended.returncode == 0, ended.stdout
    assert server.total == 3
    assert [row["sentiment"] for row in written(reader.place / "sentiment.csv")] == ["positive"] * 3


def test_measure(reader: Reader) -> None:
    columns = "-c 'words: integer' -c 'exclaims: boolean'"
    ended = reader.run(f"rowmill run reviews.csv --processor function:measure {columns} -o measured.csv")
    assert ended.returncode == 4, ended.stdout
    rows = written(reader.place / "measured.csv")
    assert [(row["words"], row["exclaims"]) for row in rows[:2]] == [("11", "true"), ("12", "false")]
    assert rows[3]["_error"] == "no_review: The review is empty."


def test_shorten(reader: Reader) -> None:
    ended = reader.run("rowmill run reviews.csv --processor function:shorten -c short -o shortened.csv")
    assert ended.returncode == 0, ended.stdout
    assert written(reader.place / "shortened.csv")[0]["short"] == "Sturdy, quiet and qu…"


def test_enrich(reader: Reader) -> None:
    first = reader.run("python enrich.py")
    assert first.returncode == 0, first.stdout
    assert first.stdout.splitlines()[:2] == ["1 11 True None", "2 12 False None"]
    assert "its results are used again" in reader.run("python enrich.py").stdout


def test_client(reader: Reader, server: ModelServer) -> None:
    reader.run('rowmill connections add models --base-url "$BASE_URL" --no-key')
    reader.serve()
    ended = reader.run("MODEL=some-model CONNECTION=models python client.py")
    assert ended.returncode == 0, ended.stdout
    assert server.total == 4
    assert [row["sentiment"] for row in written(reader.place / "sentiment.csv")] == ["positive"] * 4
    reader.wait()


def test_the_page_names_every_example() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md"}
    assert {name for name in files if f"({name})" not in page} == set()


def written(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
