from collections.abc import Callable
from pathlib import Path

import pytest

from rowmill.core.errors import InputError
from rowmill.jobs.submit import intake
from rowmill.jobs.submit.intake import take_in
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset
from rowmill.tables.source import open_source
from tests.support.work import make


def _take(store: Store, engine: str, path: str, tell: Callable[[int], None] = lambda rows: None) -> Dataset:
    with open_source(path) as source:
        return take_in(store, engine, source, lambda columns: None, tell)


def test_a_file_is_taken_in_whole(store: Store, engine: str, reviews: Path) -> None:
    dataset = _take(store, engine, "reviews.csv")
    assert (dataset.name, dataset.named, dataset.columns, dataset.rows) == ("reviews.csv", False, ["id", "Review"], 4)
    records = store.datasets.records(dataset.pk, dataset.revision, 0, 10)
    assert records[0] == (1, '["1","fine"]')
    assert len(records) == 4


def test_reading_is_told_of_in_batches(
    store: Store, engine: str, reviews: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_BATCH", 3)
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
    [
        ("a,b\n", r"reviews\.csv has a header and no rows\."),
        ("", r"reviews\.csv"),
        ("a,b\n1,2\n1,2,3\n", r"Line 3 of reviews\.csv has 3 cells"),
        ('a,b\n1,2\n"', r"reviews\.csv"),
    ],
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
