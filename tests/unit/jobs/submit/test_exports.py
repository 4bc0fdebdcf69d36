import asyncio
import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from python_calamine import CalamineWorkbook

from rowmill.cli.remedies import REMEDIES
from rowmill.cli.specs import run_spec
from rowmill.core.errors import UsageError
from rowmill.core.job import Job
from rowmill.core.messages import Message
from rowmill.core.status import Action, JobStatus, JobType
from rowmill.core.transfer import ExportSpec
from rowmill.engine.engine import Engine
from rowmill.engine.runtime import RealRuntime
from rowmill.engine.transfer.exporter import Exporter, part_of
from rowmill.jobs import control
from rowmill.jobs.deliver import deliver, undelivered
from rowmill.jobs.submit.submit import Submission, submit
from rowmill.ledger.store import Store
from tests.support.transfers import export, load, named, values, work
from tests.support.work import ASK, complete, find, make

MOODS = {1: "good", 2: None, 3: "good", 4: "bad"}


@pytest.fixture
def job(store: Store, engine: str, reviews: Path) -> Job:
    """A completed enrichment of four rows of which the second failed."""
    return complete(store, engine, make(store, engine, reviews), dict(MOODS))


@pytest.fixture
def dataset(store: Store, engine: str, reviews: Path) -> str:
    """The name of a lasting dataset of four records, keyed by id."""
    load(store, engine, reviews, key="id")
    return "reviews"


def ask(store: Store, source: Job | str, output: str = "out.csv", **asked: Any) -> Submission:
    origin = named(store, source) if isinstance(source, str) else source
    return export(store, origin, output, **asked)


def exported(store: Store, engine: str, source: Job | str, **asked: Any) -> list[list[str]]:
    """The lines of the exported file, its header first."""
    work(store, engine, ask(store, source, **asked).job)
    with Path("out.csv").open(newline="") as file:
        found = list(csv.reader(file))
    Path("out.csv").unlink()
    assert [path for path in Path().iterdir() if path.suffix == ".part"] == []
    return found


def test_an_export_is_a_pending_job(store: Store, dataset: str, here: Path) -> None:
    submission = ask(store, dataset)
    job = submission.job
    assert (submission.found, job.type, job.status, job.counts.total) == (False, JobType.EXPORT, JobStatus.PENDING, 4)
    assert job.output
    assert job.output.path == str(here / "out.csv")
    assert not (here / "out.csv").exists()


@pytest.mark.parametrize(
    ("asked", "lines"),
    [
        ({"rows": "2-3"}, [["id", "Review"], ["2", "bad"], ["3", "good"]]),
        ({"where": "Review = good"}, [["id", "Review"], ["3", "good"]]),
        ({"rows": "1", "columns": ("Review", "id=Number")}, [["Review", "Number"], ["fine", "1"]]),
        ({"rows": "1", "columns": ("id", "id=again")}, [["id", "again"], ["1", "1"]]),
    ],
)
def test_records_and_columns_of_a_dataset_are_chosen(
    store: Store, engine: str, dataset: str, asked: dict[str, Any], lines: list[list[str]]
) -> None:
    assert exported(store, engine, dataset, **asked) == lines


def test_a_column_whose_name_holds_an_equals_sign_can_be_chosen(store: Store, engine: str, here: Path) -> None:
    path = here / "odd.csv"
    path.write_text("a=b,a\n1,2\n")
    load(store, engine, path)
    assert exported(store, engine, "odd", columns=("a=b", "a=c")) == [["a=b", "c"], ["1", "2"]]


@pytest.mark.parametrize(
    ("only", "numbers"), [(None, ["1", "2", "3", "4"]), ("succeeded", ["1", "3", "4"]), ("failed", ["2"])]
)
def test_rows_of_a_job_are_chosen_by_how_they_ended(
    store: Store, engine: str, job: Job, only: str | None, numbers: list[str]
) -> None:
    header, *lines = exported(store, engine, job, only=only)
    assert header == ["id", "Review", "mood", "_status", "_error"]
    assert [line[0] for line in lines] == numbers


def test_what_is_exported_is_one_moment_of_the_job(store: Store, engine: str, job: Job) -> None:
    export = ask(store, job).job
    control.retry(store, job)
    work(store, engine, export)
    assert "failed" in Path("out.csv").read_text()


def test_failed_rows_of_an_import_are_mended_and_imported_again(store: Store, engine: str, here: Path) -> None:
    path = here / "people.csv"
    path.write_text("id,Name,Age\na,Ann,30\nb,Ben,old\nc,Cat,5\n,Dan,6\n")
    imported = load(store, engine, path, key="id", columns=("Age: integer",))
    lines = exported(store, engine, imported, only="failed")
    assert lines == [
        ["id", "Name", "Age", "_row", "_error"],
        ["b", "Ben", "old", "2", "not_integer: 'old' in the column 'Age' is not an integer."],
        ["", "Dan", "6", "4", "missing_key: The key column 'id' is empty here."],
    ]
    lines[1][2], lines[2][0] = "40", "d"
    with (here / "mended.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    again = load(store, engine, Path("mended.csv"), dataset="people")
    assert again.changes.created == 2
    assert values(store, "people") == [["a", "Ann", 30], ["c", "Cat", 5], ["b", "Ben", 40], ["d", "Dan", 6]]


@pytest.mark.parametrize(
    ("output", "asked", "safe"),
    [("out.csv", None, False), ("out.xlsx", None, True), ("out.csv", True, True), ("out.xlsx", False, False)],
)
def test_cells_are_made_safe_when_asked_and_in_excel(
    store: Store, dataset: str, output: str, asked: bool | None, safe: bool
) -> None:
    extract = ask(store, dataset, output, safe_cells=asked).job.extract
    assert isinstance(extract, ExportSpec)
    assert extract.safe_cells is safe


def test_the_same_export_goes_on_until_it_has_ended(store: Store, engine: str, dataset: str) -> None:
    first = ask(store, dataset)
    again = ask(store, dataset)
    assert (again.found, again.job.id) == (True, first.job.id)
    assert not ask(store, dataset, rows="1").found
    assert not ask(store, dataset, "other.csv").found
    assert not ask(store, dataset, new=True).found
    control.cancel(store, first.job)
    work(store, engine, ask(store, dataset, overwrite=True, new=True).job)
    assert not ask(store, dataset, overwrite=True, new=True).found


def test_a_file_is_replaced_only_when_that_was_allowed(store: Store, engine: str, dataset: str, here: Path) -> None:
    (here / "out.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"out\.csv exists already"):
        ask(store, dataset)
    assert len(exported(store, engine, dataset, overwrite=True)) == 5


def test_a_cancelled_export_leaves_no_file(store: Store, dataset: str, here: Path) -> None:
    before = sorted(here.iterdir())
    control.cancel(store, ask(store, dataset).job)
    assert sorted(here.iterdir()) == before


def test_an_export_to_stdout_is_printed_by_whoever_works_it(
    store: Store, engine: str, dataset: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    job = work(store, engine, ask(store, dataset, "-", rows="1").job)
    assert capfdbinary.readouterr().out == b""
    deliver(store, job)
    assert capfdbinary.readouterr().out.split() == [b"id,Review", b"1,fine"]
    assert list(store.files.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"columns": ("Reviw",)}, "There is no column 'Reviw'."),
        ({"columns": ("id", "Review=id")}, "The file would have two columns 'id'."),
        ({"columns": ("id=",)}, "'id=' gives the column no new name."),
        ({"only": "failed"}, "--only chooses rows of a job."),
        ({"rows": "9"}, "Row range '9' begins after the last row, 4."),
        ({"output": "out.doc"}, "The suffix .doc of out.doc does not name an output format."),
    ],
)
def test_what_cannot_be_exported_of_a_dataset_is_refused(
    store: Store, dataset: str, count: Callable[[str], int], asked: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        ask(store, dataset, **asked)
    assert caught.value.message == sentence
    assert count("jobs") == 1


def test_what_cannot_be_exported_of_a_job_is_refused(store: Store, engine: str, job: Job, dataset: str) -> None:
    imported = store.browse.jobs(type_=JobType.IMPORT)[0]
    export = ask(store, job).job
    refused: list[tuple[Job, dict[str, Any], str]] = [
        (job, {"rows": "1"}, "--rows and --where choose records of a dataset."),
        (imported, {}, f"The rows that {imported.id} brought in are in its dataset."),
        (export, {}, f"{export.id} is an export itself."),
    ]
    for source, asked, sentence in refused:
        with pytest.raises(UsageError) as caught:
            ask(store, source, **asked)
        assert caught.value.message == sentence


def header(path: Path) -> list[str]:
    """The column names of a file that must hold nothing else."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        assert table.num_rows == 0
        return list(table.column_names)
    if path.suffix == ".xlsx":
        (cells,) = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
        return [str(cell) for cell in cells]
    with path.open(newline="") as file:
        (line,) = csv.reader(file)
    return line


@pytest.mark.parametrize("output", ["out.csv", "out.parquet", "out.xlsx"])
def test_where_nothing_is_to_be_exported_the_file_has_its_header(
    store: Store, engine: str, dataset: str, here: Path, output: str
) -> None:
    job = work(store, engine, ask(store, dataset, output, where="id = 99").job)
    assert job.counts.total == 0
    assert header(here / output) == ["id", "Review"]


def test_a_job_without_such_rows_gives_the_header_alone(store: Store, engine: str, job: Job, dataset: str) -> None:
    columns = ["id", "Review", "mood", "_status", "_error"]
    assert exported(store, engine, job, only="unprocessed") == [columns]
    imported = store.browse.jobs(type_=JobType.IMPORT)[0]
    assert exported(store, engine, imported, only="failed") == [["_row", "_error"]]


def test_a_pause_before_the_file_is_in_place_is_a_pause_and_resuming_puts_it_there(
    store: Store, engine: str, dataset: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ask(store, dataset, "out.xlsx").job
    finish_file = Exporter._finish_file

    def paused_meanwhile(self: Exporter) -> None:
        store.control.pause(job.pk, store.clock())
        finish_file(self)

    with monkeypatch.context() as patched:
        patched.setattr(Exporter, "_finish_file", paused_meanwhile)
        verb = asyncio.run(Engine(store, engine, RealRuntime()).run(job))
    assert (verb, store.browse.job(job.pk).status) == (Action.PAUSE, JobStatus.PAUSED)
    assert not (here / "out.xlsx").exists()
    work(store, engine, control.resume(store, job))
    sheet = CalamineWorkbook.from_path(str(here / "out.xlsx")).get_sheet_by_index(0)
    assert len(sheet.to_python()) == 5
    assert {path.name for path in here.iterdir()} == {"reviews.csv", "out.xlsx"}


def fail(store: Store, engine: str, job: Job) -> Job:
    """``job`` once it has failed."""
    assert asyncio.run(Engine(store, engine, RealRuntime()).run(job)) is Action.FAIL
    return store.browse.job(job.pk)


def test_overwriting_after_a_failed_export_is_another_job(store: Store, engine: str, dataset: str, here: Path) -> None:
    first = ask(store, dataset).job
    (here / "out.csv").write_text("mine")
    failed = fail(store, engine, first)
    assert failed.error
    assert failed.error.reason == Message.OUTPUT_APPEARED.name
    again = ask(store, dataset, overwrite=True)
    assert (again.found, again.job.id == first.id) == (False, False)
    work(store, engine, again.job)
    assert (here / "out.csv").read_text().startswith("id,Review")


def test_a_cell_that_the_format_cannot_hold_fails_the_job_with_a_sentence(
    store: Store, engine: str, here: Path
) -> None:
    path = here / "odd.jsonl"
    path.write_text('{"a": "x\\u0000y"}\n')
    load(store, engine, path)
    job = fail(store, engine, ask(store, "odd").job)
    assert job.error
    assert (job.error.code, "NUL" in job.error.message) == ("output", True)
    assert not (here / "out.csv").exists()


class Unwritable:
    """A standard output that takes nothing."""

    def __init__(self, error: OSError) -> None:
        self._error = error
        self.buffer = self

    def write(self, data: bytes) -> int:
        raise self._error

    def flush(self) -> None: ...


def test_what_could_not_be_printed_is_kept_to_be_printed_again(
    store: Store, engine: str, dataset: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    job = work(store, engine, ask(store, dataset, "-").job)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Unwritable(OSError(28, "No space left on device")))
        with pytest.raises(UsageError, match="Standard output cannot be written: No space left") as caught:
            deliver(store, job)
    assert caught.value.advise(REMEDIES).hint == f"Write it again: rowmill resume {job.id} > FILE"
    assert undelivered(store, job)
    deliver(store, job)
    assert capfdbinary.readouterr().out.startswith(b"id,Review")
    assert not undelivered(store, job)


def test_a_reader_that_has_seen_enough_leaves_no_copy(
    store: Store, engine: str, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = work(store, engine, ask(store, dataset, "-").job)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Unwritable(BrokenPipeError(32, "Broken pipe")))
        with pytest.raises(BrokenPipeError):
            deliver(store, job)
    assert not part_of(store, job).exists()
    assert not undelivered(store, job)


def test_columns_that_jobs_have_added_are_passed_over_when_an_export_is_imported_again(
    store: Store, engine: str, dataset: str, here: Path
) -> None:
    judged = submit(store, engine, run_spec(input_=dataset, **ASK)).job
    find(store, engine, judged)
    found = exported(store, engine, dataset)
    assert found[0] == ["id", "Review", "mood"]
    found[1][1:] = ["mended", "awful"]
    with (here / "mended.csv").open("w", newline="") as file:
        csv.writer(file).writerows(found)
    load(store, engine, Path("mended.csv"), dataset=dataset)
    assert named(store, dataset).columns == ["id", "Review"]
    assert values(store, dataset)[0] == ["1", "mended"]
    assert [line[2] for line in exported(store, engine, dataset)[1:]] == ["good"] * 4
    with pytest.raises(UsageError, match="has a column 'Review' itself"):
        submit(store, engine, run_spec(input_=dataset, **{**ASK, "columns": ("Review: good | bad",)}))
