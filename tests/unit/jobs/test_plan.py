"""A plan is compared with what the import then does."""

import csv
import os
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowmill.cli.specs import import_spec
from rowmill.core.errors import UsageError
from rowmill.jobs.plan import Plan, plan_import
from rowmill.jobs.spec import JobSpec
from rowmill.jobs.submit.submit import submit
from rowmill.ledger.store import Store
from tests.support.transfers import load, work

TABLES = ("jobs", "datasets", "records", "keys", "spans", "outcomes", "chunks")


def everything(store: Store) -> list[object]:
    return [store.database.read(f"SELECT * FROM {table}") for table in TABLES]


def planned(store: Store, spec: JobSpec) -> Plan:
    """The plan, having checked that it wrote nothing."""
    before, files = everything(store), sorted(Path().iterdir())
    plan = plan_import(store, spec)
    assert everything(store) == before
    assert sorted(Path().iterdir()) == files
    return plan


def test_a_plan_says_what_an_import_would_do(store: Store, engine: str, here: Path) -> None:
    path = here / "people.csv"
    path.write_text("id,Name,Age\na,Ann,30\nb,Ben,40\n")
    load(store, engine, path, key="id", columns=("Age: integer",))
    path.write_text("ID,name,age\na,Ann,30\nb,one,40\nb,Ben,41\nc,Cat,old\nd,Dan,1\n,Eve,2\n")
    assert planned(store, import_spec("people.csv")) == Plan(
        "people",
        exists=True,
        total=6,
        created=1,
        updated=1,
        unchanged=1,
        superseded=1,
        failed=2,
        codes={"not_integer": 1, "missing_key": 1},
        first_refused=[
            (4, "not_integer", "'old' in the column 'Age' is not an integer."),
            (6, "missing_key", "The key column 'id' is empty here."),
        ],
    )


def test_a_plan_names_the_columns_that_would_join_the_dataset(store: Store, engine: str, here: Path) -> None:
    path = here / "people.csv"
    path.write_text("id,Name\na,Ann\n")
    assert planned(store, import_spec("people.csv")).new_columns == []
    load(store, engine, path, key="id")
    path.write_text("City,ID,name\nRome,a,Ann\n")
    plan = planned(store, import_spec("people.csv"))
    assert (plan.new_columns, plan.updated) == (["City"], 1)


def test_only_the_first_refused_rows_are_told_of(store: Store, here: Path) -> None:
    (here / "people.csv").write_text("id,Age\n" + "".join(f"{n},old\n" for n in range(50)))
    plan = planned(store, import_spec("people.csv", columns=("Age: integer",)))
    assert (plan.exists, plan.total, plan.failed, len(plan.first_refused)) == (False, 50, 50, 20)
    assert plan.first_refused[-1][0] == 20


def test_what_an_import_would_be_refused_for_a_plan_is_too(store: Store, here: Path) -> None:
    (here / "people.csv").write_text("id,Age\n1,2\n")
    with pytest.raises(UsageError, match="no column 'nr'"):
        planned(store, import_spec("people.csv", key="nr"))


@pytest.mark.parametrize("batch", [1, 2, 5000])
def test_pages_make_no_difference(
    store: Store, engine: str, here: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    path = here / "people.csv"
    path.write_text("id,Age\na,1\nb,1\n")
    load(store, engine, path, key="id")
    path.write_text("id,Age\na,2\nb,1\nc,1\na,1\nc,2\n")
    monkeypatch.setattr("rowmill.jobs.plan.BATCH", batch)
    plan = planned(store, import_spec("people.csv"))
    assert (plan.created, plan.updated, plan.unchanged, plan.superseded) == (1, 0, 2, 2)


names = count()
cell = st.sampled_from(["", "1", "2", "x"])
table = st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), cell, cell), min_size=1, max_size=8)
header = st.sampled_from([["id", "Age", "Size"], ["SIZE", "Age", "id"], ["id", "age", "City"]])
columns = st.sampled_from([(), ("Age: integer",), ("Age: 1 | x",)])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(header, table), min_size=1, max_size=3), columns, st.booleans())
def test_an_import_does_what_its_plan_said(
    store: Store, engine: str, files: list[tuple[list[str], list[tuple[str, ...]]]], typed: tuple[str, ...], keyed: bool
) -> None:
    dataset = f"people {next(names)}"
    for head, lines in files:
        with Path("table.csv").open("w", newline="") as file:
            csv.writer(file).writerows([head, *lines])
        # A file of the same bytes is brought in again only with a key.
        request = import_spec("table.csv", dataset=dataset, key="id" if keyed else None, columns=typed, new=True)
        plan = planned(store, request)
        job = work(store, engine, submit(store, engine, request).job)
        assert (plan.total, plan.failed) == (job.counts.total, job.counts.failed)
        assert (plan.created, plan.updated, plan.unchanged) == (
            job.changes.created,
            job.changes.updated,
            job.changes.unchanged,
        )
        assert plan.superseded == job.counts.skipped - job.changes.unchanged
        assert dict(plan.codes) == store.browse.failure_codes(job.pk)
        os.remove("table.csv")
