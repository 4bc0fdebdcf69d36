from pathlib import Path

import pytest

from rowmill.core.job import Job
from rowmill.core.status import RowStatus
from rowmill.jobs.rows import row, rows_page
from rowmill.ledger.store import Store
from tests.support.work import complete, make


@pytest.fixture
def job(store: Store, engine: str, reviews: Path) -> Job:
    """A completed job over three of four records."""
    return complete(store, engine, make(store, engine, reviews, rows="1-3"), {1: "good", 2: None, 3: "bad"})


@pytest.mark.parametrize(
    ("status", "after", "limit", "numbers"),
    [
        (None, 0, 100, [1, 2, 3]),
        (None, 1, 1, [2]),
        (None, 3, 100, []),
        (RowStatus.SUCCEEDED, 0, 100, [1, 3]),
        (RowStatus.SUCCEEDED, 1, 100, [3]),
        (RowStatus.FAILED, 0, 100, [2]),
        (RowStatus.PENDING, 0, 100, []),
    ],
)
def test_rows_come_page_by_page(
    store: Store, job: Job, status: RowStatus | None, after: int, limit: int, numbers: list[int]
) -> None:
    assert [found.number for found in rows_page(store, job, status, after, limit)] == numbers


def test_one_row_comes_with_its_attempts(store: Store, job: Job) -> None:
    found = row(store, job, 2)
    assert found
    assert [attempt.code for attempt in found.attempts] == ["bad_request"]


def test_there_is_no_row_beyond_the_last(store: Store, job: Job) -> None:
    assert row(store, job, 0) is row(store, job, 4) is None
