import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rowmill.cli.remedies import REMEDIES
from rowmill.cli.specs import import_spec
from rowmill.core.errors import Busy, UsageError
from rowmill.core.status import JobStatus, JobType
from rowmill.jobs import control
from rowmill.jobs.retention import delete_job
from rowmill.jobs.submit.submit import Submission, submit
from rowmill.ledger.store import Store
from rowmill.tables.schema import Field
from tests.support.transfers import load, named, values, work


@pytest.fixture
def people(here: Path) -> Path:
    path = here / "people.csv"
    path.write_text("id,Name,Age\na,Ann,30\nb,Ben,old\nc,Cat,\n")
    return path


def ask(store: Store, **asked: Any) -> Submission:
    return submit(store, "", import_spec(**{"input_": "people.csv", **asked}))


def test_an_import_is_a_pending_job_of_a_dataset_called_like_the_file(store: Store, people: Path) -> None:
    submission = ask(store)
    job = submission.job
    assert (submission.found, job.type, job.status, job.name) == (
        False,
        JobType.IMPORT,
        JobStatus.PENDING,
        "people.csv",
    )
    assert job.source
    assert (job.source.location, job.source.format, job.source.kept) == (str(people), "csv", False)
    dataset = named(store, "people")
    assert (dataset.rows, dataset.columns, dataset.schema.key) == (0, [], None)
    assert job.counts.total is None


def test_the_file_is_in_its_dataset_as_it_was_read(store: Store, engine: str, people: Path) -> None:
    job = load(store, engine, people, dataset="folks")
    assert values(store, "folks") == [["a", "Ann", "30"], ["b", "Ben", "old"], ["c", "Cat", ""]]
    assert named(store, "folks").columns == ["id", "Name", "Age"]
    assert (job.counts.total, job.changes.created) == (3, 3)


def test_a_schema_is_kept_and_later_ones_join_it(store: Store, engine: str, people: Path) -> None:
    job = load(store, engine, people, key="ID", columns=("age: integer",))
    assert job.counts.failed == 1
    assert values(store, "people") == [["a", "Ann", 30], ["c", "Cat"]]
    schema = named(store, "people").schema
    people.write_text("ID,AGE,name\na,31,\n")
    job = load(store, engine, people, key="id", required=("Name",))
    assert [row.code for row in store.browse.lines(job.pk, 1, 1)] == ["missing"]
    after = named(store, "people").schema
    assert (schema.key, after.key) == ("ID", "ID")
    assert after.fields == (Field("age", "integer"), Field("Name", "text", required=True))


def test_a_typed_column_that_is_then_required_keeps_its_type(store: Store, engine: str, people: Path) -> None:
    load(store, engine, people, columns=("Age: integer",))
    load(store, engine, people, required=("age",), new=True)
    assert named(store, "people").schema.fields == (Field("Age", "integer", required=True),)


def test_the_same_import_again_goes_on_with_the_one_that_has_not_ended(store: Store, people: Path) -> None:
    first = ask(store, key="id")
    again = ask(store, key="id", name="another name")
    assert (again.found, again.job.id) == (True, first.job.id)
    with pytest.raises(Busy):
        ask(store, key="id", new=True)
    with pytest.raises(Busy):
        ask(store, key="id", columns=("Age: integer",))


def test_the_same_file_is_brought_in_again_only_where_a_key_makes_that_harmless(
    store: Store, engine: str, people: Path
) -> None:
    load(store, engine, people)
    assert ask(store).found
    load(store, engine, people, dataset="keyed", key="id")
    again = ask(store, dataset="keyed", key="id")
    assert not again.found
    assert work(store, engine, again.job).changes.unchanged == 3
    assert not ask(store, new=True).found


def test_a_cancelled_import_is_begun_afresh(store: Store, people: Path) -> None:
    control.cancel(store, ask(store).job)
    assert not ask(store).found


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"input_": "missing.csv"}, "missing.csv cannot be read: No such file or directory."),
        ({"input_": "people.doc"}, "The suffix .doc of people.doc does not name a table format."),
        ({"key": "idd"}, "people.csv has no column 'idd'."),
        ({"required": ("Nam",)}, "people.csv has no column 'Nam'."),
        ({"columns": ("Agge: integer",)}, "people.csv has no column 'Agge'."),
        ({"columns": ("Age: int",)}, "The column 'Age' has the unknown type 'int'."),
        ({"dataset": "last"}, "'last' is not a valid dataset name."),
        ({"dataset": "ds_1"}, "'ds_1' is not a valid dataset name."),
        ({"dataset": "job_1"}, "'job_1' is not a valid dataset name."),
        ({"dataset": "a/b"}, "'a/b' is not a valid dataset name."),
        ({"dataset": " "}, "'' is not a valid dataset name."),
        ({"dataset": "a\nb"}, "'a\\nb' is not a valid dataset name."),
        ({"dataset": "a\udcff"}, r"The name a\udcff is not UTF-8."),
        ({"input_": "a\udcff.csv"}, r"The name a\udcff.csv is not UTF-8."),
        ({"input_": "-"}, "Standard input has no name."),
        ({"dataset": "known", "key": "Name"}, "The dataset known has the key 'id', and that cannot be changed."),
        ({"dataset": "plain", "key": "id"}, "The dataset plain has no key, and that cannot be changed."),
    ],
)
def test_what_cannot_work_is_refused_with_one_sentence_and_leaves_nothing(
    store: Store, engine: str, people: Path, count: Callable[[str], int], asked: dict[str, Any], sentence: str
) -> None:
    load(store, engine, people, dataset="known", key="id")
    load(store, engine, people, dataset="plain")
    before = [count(table) for table in ("jobs", "datasets", "records")]
    schemas = [named(store, name).schema for name in ("known", "plain")]
    with pytest.raises(UsageError) as caught:
        ask(store, **asked)
    assert caught.value.message == sentence
    assert caught.value.advise(REMEDIES).hint
    assert [count(table) for table in ("jobs", "datasets", "records")] == before
    assert [named(store, name).schema for name in ("known", "plain")] == schemas


def test_a_near_miss_in_a_header_is_met_with_what_was_meant(store: Store, people: Path) -> None:
    with pytest.raises(UsageError, match=r"Did you mean 'Name'\?"):
        ask(store, required=("Nam",))


def test_a_known_key_need_not_be_named_again(store: Store, engine: str, people: Path) -> None:
    load(store, engine, people, key="id")
    assert load(store, engine, people).changes.unchanged == 3


def _pipe_in(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))


def test_standard_input_is_kept_until_the_import_has_ended(
    store: Store, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pipe_in("id,Name\na,Ann\n", monkeypatch)
    job = ask(store, input_="-", dataset="people").job
    assert job.source
    assert (job.source.name, job.source.kept, Path(job.source.location).parent) == ("stdin", True, store.files)
    work(store, engine, job)
    assert values(store, "people") == [["a", "Ann"]]
    assert list(store.files.iterdir()) == []


@pytest.mark.parametrize("end", [control.cancel, delete_job])
def test_what_was_kept_of_standard_input_goes_with_the_job(
    store: Store, monkeypatch: pytest.MonkeyPatch, end: Callable[[Store, Any], object]
) -> None:
    _pipe_in("id,Name\na,Ann\n", monkeypatch)
    end(store, ask(store, input_="-", dataset="people").job)
    assert list(store.files.iterdir()) == []


def test_a_refused_import_keeps_nothing_of_standard_input(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _pipe_in("id,Name\na,Ann\n", monkeypatch)
    with pytest.raises(UsageError, match="no column 'nr'"):
        ask(store, input_="-", dataset="people", key="nr")
    assert list(store.files.iterdir()) == []


def test_a_found_import_keeps_one_copy_of_standard_input(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        _pipe_in("id,Name\na,Ann\n", monkeypatch)
        submission = ask(store, input_="-", dataset="people", key="id")
    assert submission.found
    assert submission.job.source
    assert list(store.files.iterdir()) == [Path(submission.job.source.location)]


def test_failed_rows_come_right_once_the_schema_allows_them(store: Store, engine: str, people: Path) -> None:
    job = load(store, engine, people, key="id", columns=("Age: integer",))
    people.unlink()
    with store.database.transaction() as tx:
        tx.execute("UPDATE datasets SET schema = ?", ('{"fields":[],"key":"id"}',))
    assert control.retry(store, job) == 1
    job = work(store, engine, job)
    assert (job.counts.failed, job.changes.created) == (0, 3)
    assert values(store, "people") == [["a", "Ann", 30], ["c", "Cat"], ["b", "Ben", "old"]]


def test_rows_that_were_not_whole_stay_failed_when_they_are_retried(store: Store, engine: str, people: Path) -> None:
    people.write_text("id,Name\na,Ann\nb,Ben,what\n")
    job = load(store, engine, people, key="id")
    (row,) = store.browse.lines(job.pk, 2, 2)
    assert row.code == "malformed"
    for _ in range(2):
        control.retry(store, job)
        job = work(store, engine, job)
        (again,) = store.browse.lines(job.pk, 2, 2)
        assert (again.code, again.output) == (row.code, row.output)
    assert values(store, "people") == [["a", "Ann"]]
