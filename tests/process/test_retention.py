"""Removing jobs and datasets: what is refused, what is kept, and that the space is given back."""

import sqlite3
from pathlib import Path

import pytest

from .gauge import newest
from .harness import Rowmill

pytestmark = pytest.mark.xdist_group("process-datasets")

DAY = 86_400


@pytest.fixture
def things(rowmill: Rowmill) -> Rowmill:
    (rowmill.place / "f.py").write_text("def shout(row):\n    return row['text'].upper()\n")
    rowmill.table(5, "things.csv")
    rowmill.ok("import", "things.csv", "--key", "id")
    return rowmill


def _shout(rowmill: Rowmill, *words: str) -> str:
    rowmill.ok("run", "things", "--processor", "f:shout", "-c", "loud", *words)
    return newest(rowmill)


def _aged(rowmill: Rowmill, **days: float) -> None:
    """Makes jobs older: as if they had ended so many days ago."""
    with sqlite3.connect(rowmill.home / "rowmill.db") as database:
        for job, age in days.items():
            database.execute("UPDATE jobs SET finished_at = finished_at - ? WHERE id = ?", (age * DAY, job))
    database.close()


def _lines(rowmill: Rowmill, *tables: str) -> list[int]:
    return [rowmill.count(table) for table in tables]


def test_a_dataset_that_an_enrichment_works_on_stays(things: Rowmill) -> None:
    job = _shout(things)
    refused = things.run("delete", "things")
    assert refused.code == 2
    assert f"has results of the enrichment {job}" in refused.complaint
    assert _lines(things, "datasets", "records", "results") == [1, 5, 5]

    deleted = things.ok("delete", "things", "--with-jobs", "--json").json
    assert job in deleted["jobs"]
    assert things.jobs() == []
    assert _lines(things, "datasets", "records", "keys", "results", "outcomes", "executions") == [0] * 6


def test_a_dataset_goes_with_its_imports_and_exports(things: Rowmill) -> None:
    things.ok("export", "things", "-o", "out.csv", "--detach")
    refused = things.run("delete", "things")
    assert (refused.code, "needed by the export" in refused.complaint) == (2, True)
    things.ok("resume", newest(things))
    assert "things" in things.ok("delete", "things").stdout
    assert (things.jobs(), _lines(things, "datasets", "records")) == ([], [0, 0])
    assert (things.place / "out.csv").exists()
    assert things.run("delete", "things").code == 2


def test_a_deleted_import_leaves_what_it_brought_in(things: Rowmill) -> None:
    things.ok("delete", "last")
    assert things.ok("datasets", "--json").json[0]["rows"] == 5
    job = _shout(things)
    assert "had found for 5 records" in things.ok("delete", job).stdout
    assert things.ok("show", "things", "--json").json["result_columns"] == []
    assert _lines(things, "results", "outcomes", "records") == [0, 0, 5]


def test_a_job_that_an_export_reads_from_stays(things: Rowmill) -> None:
    job = _shout(things)
    things.ok("export", job, "-o", "out.csv", "--detach")
    export = newest(things)
    refused = things.run("delete", job)
    assert (refused.code, f"{export} has not finished exporting" in refused.complaint) == (2, True)
    things.ok("resume", export)
    things.ok("delete", job)
    assert [each["id"] for each in things.jobs() if each["type"] == "enrichment"] == []


def test_prune_removes_old_jobs_and_keeps_what_is_needed(things: Rowmill) -> None:
    brought = newest(things)
    paid = _shout(things)
    things.ok("run", "things.csv", "--processor", "f:shout", "-c", "loud")
    plain = newest(things)
    things.ok("export", "things", "-o", "later.csv", "--detach")
    waiting = newest(things)
    things.ok("export", "things", "-o", "out.csv")
    young = newest(things)
    _aged(things, **{brought: 31, paid: 31, plain: 31, young: 29})

    pruned = things.ok("prune", "--older-than", "30d", "--json").json
    assert sorted(pruned["jobs"]) == sorted([brought, plain])
    assert "of a dataset" in pruned["kept"][paid]
    assert {job["id"] for job in things.jobs()} == {paid, waiting, young}
    assert things.ok("show", "things", "--json").json["result_columns"] == ["loud"]
    assert "0 jobs removed" in things.ok("prune", "--older-than", "30d").stdout
    for age in ("30", "soon", "-1d", ""):
        assert things.run("prune", "--older-than", age).code == (0 if age == "" else 2)


def test_the_store_shrinks_when_a_large_dataset_is_deleted(rowmill: Rowmill) -> None:
    rowmill.table(100_000, "large.csv")
    file = Path(rowmill.home / "rowmill.db")
    before = file.stat().st_size
    rowmill.ok("import", "large.csv", "--key", "id")
    rowmill.ok("doctor")
    full = file.stat().st_size
    assert full > before + 4_000_000
    rowmill.ok("delete", "large")
    assert file.stat().st_size < before + full // 20
    assert rowmill.ok("doctor", "--json").json["store"] == "sound"
