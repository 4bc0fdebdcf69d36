from collections.abc import Callable
from pathlib import Path

import pytest

from rowmill.core.errors import UsageError
from rowmill.engine.transfer import pages
from rowmill.jobs.results import Table
from rowmill.ledger.store import Store
from tests.support.work import complete, make


def lines(table: Table) -> list[str]:
    return b"".join(table.pieces()).decode().splitlines()


def test_a_table_has_all_rows_as_they_stand(store: Store, engine: str, reviews: Path) -> None:
    job = complete(store, engine, make(store, engine, reviews), {1: "good", 2: None, 3: "good", 4: "bad"})
    assert lines(Table(store, job, None, "csv"))[:3] == [
        "id,Review,mood,_status,_error",
        "1,fine,good,succeeded,",
        "2,bad,,failed,bad_request: It was refused.",
    ]
    assert len(lines(Table(store, job, "succeeded", "jsonl"))) == 3


def test_a_table_is_pinned_although_a_retry_changes_the_rows(
    store: Store, engine: str, reviews: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_PAGE", 1)
    job = complete(store, engine, make(store, engine, reviews), {1: "good", 2: None, 3: "good", 4: None})
    pieces = Table(store, job, "failed", "csv").pieces()
    found = next(pieces) + next(pieces)
    store.control.retry(job.pk, store.clock())
    assert (found + b"".join(pieces)).count(b"bad_request") == 2
    assert lines(Table(store, store.browse.job(job.pk), "failed", "csv")) == ["id,Review,mood,_status,_error"]


def test_what_is_given_up_half_way_leaves_nothing(
    store: Store, engine: str, reviews: Path, count: Callable[[str], int]
) -> None:
    job = complete(store, engine, make(store, engine, reviews), {1: "good", 2: None, 3: "good", 4: "bad"})
    for format_ in ("xlsx", "parquet"):
        pieces = Table(store, job, None, format_).pieces()
        assert next(pieces) == b""
        assert list(store.files.iterdir()) != []
        pieces.close()
        assert list(store.files.iterdir()) == []


def test_a_format_that_nothing_writes_is_refused(store: Store, engine: str, reviews: Path) -> None:
    job = make(store, engine, reviews)
    with pytest.raises(UsageError):
        Table(store, job, None, "docx")
