import csv
import json
import os
from pathlib import Path

import pytest

from rowmill.builtin.formats.delimited import CommaWriter
from rowmill.model.errors import UsageError
from rowmill.model.job import Job, Output
from rowmill.model.status import RowStatus
from rowmill.service import deliver as module
from rowmill.service.deliver import check_output, columns_of, deliver, foreign, occupied, undelivered, write
from rowmill.store.store import Store

from .work import begin, complete, make, settle

MOODS = {1: "good", 2: None, 3: "good", 4: "bad"}


@pytest.fixture
def job(store: Store, engine: str, reviews: Path) -> Job:
    """A completed job with an output that is not written yet; its second row failed."""
    return complete(store, engine, make(store, engine, reviews, output="out.csv"), dict(MOODS))


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_output_has_every_row_in_order_with_all_columns(store: Store, job: Job, here: Path) -> None:
    deliver(store, job)
    lines = _read(here / "out.csv")
    assert list(lines[0]) == ["id", "Review", "mood", "_status", "_error"]
    assert [tuple(line.values()) for line in lines] == [
        ("1", "fine", "good", "succeeded", ""),
        ("2", "bad", "", "failed", "bad_request: It was refused."),
        ("3", "good", "good", "succeeded", ""),
        ("4", "awful", "bad", "succeeded", ""),
    ]
    assert {path.name for path in here.iterdir()} == {"reviews.csv", "out.csv"}


@pytest.mark.parametrize("page", [1, 3, 1000])
def test_pages_make_no_difference(
    store: Store, job: Job, here: Path, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(module, "_PAGE", page)
    assert write(store, job, Output(str(here / "o.jsonl"), "jsonl")) == 4
    lines = [json.loads(line) for line in (here / "o.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["1", "2", "3", "4"]
    assert lines[0]["mood"] == "good"


@pytest.mark.parametrize(
    ("only", "ids"),
    [
        (None, ["1", "2", "3", "4"]),
        (RowStatus.SUCCEEDED, ["1"]),
        (RowStatus.FAILED, ["2"]),
        (RowStatus.PENDING, ["3", "4"]),
    ],
)
def test_rows_can_be_chosen_by_how_they_ended(
    store: Store, engine: str, reviews: Path, here: Path, only: RowStatus | None, ids: list[str]
) -> None:
    job = make(store, engine, reviews)
    settle(store, begin(store, engine, job), {1: "good", 2: None})
    write(store, store.browse.job(job.pk), Output(str(here / "out.csv"), "csv"), only)
    assert [line["id"] for line in _read(here / "out.csv")] == ids


def test_rows_are_written_as_they_stood_when_the_job_was_read(store: Store, job: Job, here: Path) -> None:
    store.control.retry(job.pk, store.clock())
    write(store, job, Output(str(here / "out.csv"), "csv"))
    assert _read(here / "out.csv")[1]["_status"] == "failed"


def test_an_own_file_is_written_again_and_a_foreign_one_never(store: Store, job: Job, here: Path) -> None:
    assert undelivered(job)
    assert not foreign(job)
    deliver(store, job)
    job = store.browse.job(job.pk)
    assert not undelivered(job)
    deliver(store, job)
    job = store.browse.job(job.pk)
    assert not undelivered(job)

    (here / "out.csv").write_text("mine")
    assert undelivered(job)
    assert foreign(job)
    with pytest.raises(UsageError, match="is not the file that this job wrote") as caught:
        deliver(store, job)
    assert caught.value.hint == f"Write the results elsewhere: rowmill export {job.id} -o FILE"
    assert (here / "out.csv").read_text() == "mine"
    (here / "out.csv").unlink()
    deliver(store, job)
    assert len(_read(here / "out.csv")) == 4


def test_overwrite_replaces_whatever_is_there(store: Store, engine: str, reviews: Path, here: Path) -> None:
    (here / "out.csv").write_text("mine")
    job = make(store, engine, reviews, output="out.csv", overwrite=True)
    deliver(store, complete(store, engine, job, dict(MOODS)))
    assert len(_read(here / "out.csv")) == 4


def test_writing_that_breaks_off_leaves_the_old_file_and_nothing_else(
    store: Store, job: Job, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(store, job)
    before = (here / "out.csv").read_bytes()

    def break_off(self: CommaWriter) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(CommaWriter, "close", break_off)
    job = store.browse.job(job.pk)
    with pytest.raises(UsageError, match=r"out\.csv cannot be written: No space left on device\."):
        deliver(store, job)
    assert (here / "out.csv").read_bytes() == before
    assert {path.name for path in here.iterdir()} == {"reviews.csv", "out.csv"}
    assert not foreign(store.browse.job(job.pk))


def test_output_may_go_to_stdout(store: Store, job: Job, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write(store, job, Output("-", "jsonl"), RowStatus.FAILED)
    assert json.loads(capfdbinary.readouterr().out)["_status"] == "failed"


def test_a_job_without_an_output_delivers_nothing(store: Store, engine: str, reviews: Path, here: Path) -> None:
    job = complete(store, engine, make(store, engine, reviews), dict(MOODS))
    deliver(store, job)
    assert not undelivered(job)
    assert [path.name for path in here.iterdir()] == ["reviews.csv"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("no/out.csv", "/no is no directory."),
        ("directory.csv", "/directory.csv is a directory."),
        ("out.doc", "The suffix .doc of out.doc names no table format."),
    ],
)
def test_where_nothing_can_be_written_is_known_before_the_start(here: Path, path: str, sentence: str) -> None:
    (here / "directory.csv").mkdir()
    with pytest.raises(UsageError) as caught:
        check_output(path, None, "csv", overwrite=False)
    assert caught.value.message.endswith(sentence)


def test_the_format_is_the_one_asked_for_or_that_of_the_suffix(here: Path) -> None:
    assert check_output("out.tsv", None, "csv", overwrite=False) == Output(str(here / "out.tsv"), "tsv")
    assert check_output("out.txt", "jsonl", "csv", overwrite=True) == Output(str(here / "out.txt"), "jsonl", True)
    assert check_output("-", None, "tsv", overwrite=False) == Output("-", "tsv")
    with pytest.raises(UsageError, match="'doc' is no format that can be written"):
        check_output("out.csv", "doc", "csv", overwrite=False)


def test_columns_that_clash_are_refused_or_replaced() -> None:
    with pytest.raises(UsageError, match="The input already has a column '_status'"):
        columns_of(["a", "_status"], ["mood"], overwrite=False)
    with pytest.raises(UsageError, match="'_error' is a column of every output"):
        columns_of(["a"], ["_error"], overwrite=True)
    assert columns_of(["a", "mood"], ["mood"], overwrite=True) == ["a", "mood", "_status", "_error"]
    assert columns_of(["mood", "a"], ["mood"], overwrite=True) == ["a", "mood", "_status", "_error"]


def test_only_a_file_that_may_not_be_replaced_occupies_the_place(reviews: Path) -> None:
    assert occupied(Output(str(reviews), "csv"))
    assert not occupied(Output(str(reviews), "csv", overwrite=True))
    assert not occupied(Output(str(reviews) + "2", "csv"))
    assert not occupied(Output("-", "csv"))


def test_a_permission_to_overwrite_is_used_up_by_the_first_file(
    store: Store, engine: str, reviews: Path, here: Path
) -> None:
    (here / "out.csv").write_text("mine")
    job = make(store, engine, reviews, output="out.csv", overwrite=True)
    complete(store, engine, job, MOODS)
    deliver(store, store.browse.job(job.pk))
    (here / "out.csv").write_text("mine again")
    with pytest.raises(UsageError, match="is not the file that this job wrote"):
        deliver(store, store.browse.job(job.pk))
    deliver(store, store.browse.job(job.pk), overwrite=True)
    assert (here / "out.csv").read_text().startswith("id,")
