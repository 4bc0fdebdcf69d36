import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rowmill.model.errors import InputError, UsageError
from rowmill.model.job import Dataset
from rowmill.service import source as module
from rowmill.service.source import open_source, suffix_format, take_in
from rowmill.store.store import Store

from .work import make


def _take(store: Store, engine: str, path: str, tell: Callable[[int], None] = lambda rows: None) -> Dataset:
    with open_source(path) as source:
        return take_in(store, engine, source, source.reader(), tell)


def test_a_file_is_taken_in_whole(store: Store, engine: str, reviews: Path) -> None:
    dataset = _take(store, engine, "reviews.csv")
    assert (dataset.name, dataset.columns, dataset.rows) == ("reviews.csv", ["id", "Review"], 4)
    records = store.database.read("SELECT number, data FROM records WHERE dataset = ?", (dataset.pk,))
    assert records[0] == (1, '["1","fine"]')
    assert len(records) == 4


def test_reading_is_told_of_in_batches(
    store: Store, engine: str, reviews: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 3)
    told: list[int] = []
    _take(store, engine, "reviews.csv", told.append)
    assert told == [0, 3, 4]


def test_content_that_a_job_has_taken_is_not_read_again(
    store: Store, engine: str, reviews: Path, here: Path, count: Callable[[str], int]
) -> None:
    job = make(store, engine, reviews)
    copy = here / "copy.csv"
    copy.write_bytes(reviews.read_bytes())
    assert _take(store, engine, "copy.csv").pk == job.dataset
    copy.write_bytes(reviews.read_bytes() + b"5,new\n")
    assert _take(store, engine, "copy.csv").pk != job.dataset
    assert count("datasets") == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("a,b\n", "reviews.csv has a header and no rows."), ("", "reviews.csv"), ('a,b\n1,2\n1,2,3\n"', "reviews.csv")],
)
def test_a_file_that_cannot_be_read_to_its_end_leaves_nothing(
    store: Store, engine: str, reviews: Path, count: Callable[[str], int], content: str, sentence: str
) -> None:
    reviews.write_text(content)
    with pytest.raises(InputError, match=sentence):
        _take(store, engine, "reviews.csv")
    assert count("datasets") == count("records") == 0


def test_a_file_that_changes_while_it_is_read_is_refused(
    store: Store, engine: str, reviews: Path, count: Callable[[str], int]
) -> None:
    def append(rows: int) -> None:
        with reviews.open("a") as file:
            file.write("5,late\n")

    with pytest.raises(InputError, match=r"reviews\.csv changed while it was being read\."):
        _take(store, engine, "reviews.csv", append)
    assert count("datasets") == count("records") == 0


def test_reading_that_is_broken_off_leaves_nothing(
    store: Store, engine: str, reviews: Path, count: Callable[[str], int]
) -> None:
    def interrupt(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _take(store, engine, "reviews.csv", interrupt)
    assert count("datasets") == count("records") == 0


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("missing.csv", "missing.csv cannot be read: No such file or directory."),
        ("directory.csv", "directory.csv cannot be read: Is a directory."),
        ("pipe.csv", "pipe.csv is not a regular file."),
        ("reviews.doc", "The suffix .doc of reviews.doc names no table format."),
        ("reviews", "reviews has no suffix and names no table format."),
    ],
)
def test_what_is_no_table_is_refused(here: Path, path: str, sentence: str) -> None:
    (here / "directory.csv").mkdir()
    os.mkfifo(here / "pipe.csv")
    writer = os.open(here / "pipe.csv", os.O_RDWR)  # opening a pipe waits for one
    try:
        with pytest.raises(UsageError) as caught, open_source(path):
            pytest.fail("It was opened.")
    finally:
        os.close(writer)
    assert caught.value.message == sentence


def test_the_suffix_tells_the_format_whatever_its_case() -> None:
    assert suffix_format("A.CSV", "readers") == "csv"
    assert suffix_format("a.b.ndjson", "writers") == "ndjson"


@pytest.mark.parametrize(
    ("content", "format_", "columns"),
    [
        ("a,b\n1,2\n", None, ["a", "b"]),
        ('{"x": 1}\n', None, ["x"]),
        ('\n {"x": 1}\n', None, ["x"]),
        ("a\tb\n1\t2\n", "tsv", ["a", "b"]),
    ],
)
def test_standard_input_is_put_aside_and_its_format_guessed(
    store: Store,
    engine: str,
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    format_: str | None,
    columns: list[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    with open_source("-", format_) as source:
        dataset = take_in(store, engine, source, source.reader(), lambda rows: None)
    assert (dataset.name, dataset.columns, dataset.rows) == ("stdin", columns, 1)
