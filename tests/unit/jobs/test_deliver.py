import csv
import json
import os
from pathlib import Path

import pytest

from rowmill.builtin.formats.delimited import CommaWriter
from rowmill.cli.remedies import REMEDIES
from rowmill.core.errors import UsageError
from rowmill.core.job import Job, Output
from rowmill.engine.transfer import pages
from rowmill.jobs.deliver import check_output, columns_of, deliver, foreign, occupied, undelivered
from rowmill.ledger.store import Store
from tests.support.work import complete, make

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
    store: Store, engine: str, reviews: Path, here: Path, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(pages, "_PAGE", page)
    deliver(store, complete(store, engine, make(store, engine, reviews, output="o.jsonl"), dict(MOODS)))
    lines = [json.loads(line) for line in (here / "o.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["1", "2", "3", "4"]
    assert lines[0]["mood"] == "good"


def test_rows_are_written_as_they_stood_when_the_job_was_read(store: Store, job: Job, here: Path) -> None:
    store.control.retry(job.pk, store.clock())
    deliver(store, job)
    assert _read(here / "out.csv")[1]["_status"] == "failed"


def test_an_own_file_is_written_again_and_a_foreign_one_never(store: Store, job: Job, here: Path) -> None:
    assert undelivered(store, job)
    assert not foreign(job)
    deliver(store, job)
    job = store.browse.job(job.pk)
    assert not undelivered(store, job)
    deliver(store, job)
    job = store.browse.job(job.pk)
    assert not undelivered(store, job)

    (here / "out.csv").write_text("mine")
    assert undelivered(store, job)
    assert foreign(job)
    with pytest.raises(UsageError, match="was not written by this job") as caught:
        deliver(store, job)
    assert caught.value.advise(REMEDIES).hint == f"Write the results elsewhere: rowmill export {job.id} -o FILE"
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


def test_output_may_go_to_stdout(
    store: Store, engine: str, reviews: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    job = complete(store, engine, make(store, engine, reviews, output="-", output_format="jsonl"), dict(MOODS))
    assert not undelivered(store, job)
    deliver(store, job)
    printed = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [line["_status"] for line in printed] == ["succeeded", "failed", "succeeded", "succeeded"]


def test_a_job_without_an_output_delivers_nothing(store: Store, engine: str, reviews: Path, here: Path) -> None:
    job = complete(store, engine, make(store, engine, reviews), dict(MOODS))
    deliver(store, job)
    assert not undelivered(store, job)
    assert [path.name for path in here.iterdir()] == ["reviews.csv"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("no/out.csv", "/no."),
        ("directory.csv", "/directory.csv is a directory."),
        ("out.doc", "The suffix .doc of out.doc does not name an output format."),
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
    with pytest.raises(UsageError, match="'doc' is not a format that can be written"):
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
    with pytest.raises(UsageError, match="was not written by this job"):
        deliver(store, store.browse.job(job.pk))
    deliver(store, store.browse.job(job.pk), overwrite=True)
    assert (here / "out.csv").read_text().startswith("id,")


def test_a_link_is_kept_and_what_it_names_is_written(here: Path) -> None:
    (here / "link.csv").symlink_to(here / "there.csv")
    assert check_output("link.csv", None, "csv", overwrite=False).path == str(here / "there.csv")


def test_what_is_no_regular_file_is_refused(here: Path) -> None:
    os.mkfifo(here / "pipe.csv")
    (here / "null.csv").symlink_to("/dev/null")
    for path in ("pipe.csv", "null.csv"):
        with pytest.raises(UsageError, match=f"{path} is not a regular file"):
            check_output(path, None, "csv", overwrite=True)


def test_a_name_that_no_text_can_hold_is_refused() -> None:
    with pytest.raises(UsageError, match=r"The name a\\udcff\.csv is not UTF-8"):
        check_output("a\udcff.csv", None, "csv", overwrite=False)


def test_the_mode_of_a_file_that_is_replaced_is_kept(store: Store, engine: str, reviews: Path, here: Path) -> None:
    (here / "out.csv").write_text("mine")
    (here / "out.csv").chmod(0o600)
    job = make(store, engine, reviews, output="out.csv", overwrite=True)
    deliver(store, complete(store, engine, job, dict(MOODS)))
    assert (here / "out.csv").stat().st_mode & 0o777 == 0o600
    assert len(_read(here / "out.csv")) == 4
