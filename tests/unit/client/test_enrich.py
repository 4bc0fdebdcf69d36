"""``rowmill.enrich``: jobs on a local store, worked here."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas
import polars
import pyarrow  # type: ignore[import-untyped]
import pytest

import rowmill
from rowmill.builtin.processors.python import PythonProcessor
from rowmill.client import JobStopped
from rowmill.core.errors import UsageError
from rowmill.local.store import close_all

from . import shop

ROWS = [{"text": "good one"}, {"text": "so so"}]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_all()


def moods(job: Any) -> list[Any]:
    return [row["mood"] for row in job.results()]


def test_one_call_gives_the_completed_job() -> None:
    job = rowmill.enrich(ROWS, function=shop.mood, output={"mood": "good | bad"}, progress=False)
    assert (job.status, moods(job)) == ("completed", ["good", "bad"])


def test_the_same_call_again_is_the_same_job_unless_a_new_one_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    job = rowmill.enrich(ROWS, function=shop.mood, output=["mood"])
    again = rowmill.enrich(ROWS, function=shop.mood, output=["mood"])
    assert again.id == job.id
    assert "its results are used again" in capsys.readouterr().err
    assert rowmill.enrich(ROWS, function=shop.mood, output=["mood"], new=True).id != job.id


def test_a_file_is_taken_in_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\ngood\nbad\n")
    job = rowmill.enrich(tmp_path / "in.csv", function=shop.mood, output="mood")
    assert moods(job) == ["good", "bad"]


def test_a_lambda_works_and_counts_as_the_same_for_as_long_as_its_code_is() -> None:
    def call(suffix: str) -> Any:
        return rowmill.enrich(ROWS, function=lambda row: row["text"][:4] + suffix, output={"mood": str})

    first = call("!")
    assert moods(first) == ["good!", "so s!"]
    assert call("!").id == first.id
    assert call("?").id != first.id


def test_rows_are_read_in_the_thread_of_the_caller() -> None:
    with closing(sqlite3.connect(":memory:")) as database:  # which refuses every other thread
        found = database.execute("SELECT 'good' UNION ALL SELECT 'bad'")
        job = rowmill.enrich(({"text": text} for (text,) in found), function=shop.mood, output="mood")
    assert moods(job) == ["good", "bad"]


def test_a_store_that_cannot_be_opened_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWMILL_STORE", "postgresql://127.0.0.1/rowmill")
    with pytest.raises(UsageError, match="ROWMILL_STORE"):
        rowmill.enrich(ROWS, function=shop.mood, output="mood")


def test_a_function_of_the_script_itself_works(monkeypatch: pytest.MonkeyPatch) -> None:
    script = ModuleType("__main__")
    exec("def judge(row):\n    return len(row['text'])", vars(script))
    monkeypatch.setitem(sys.modules, "__main__", script)
    job = rowmill.enrich(ROWS, function=script.judge, output={"length": int})
    assert [row["length"] for row in job.results()] == [8, 5]


@pytest.mark.parametrize("frame", [polars.DataFrame, polars.LazyFrame, pandas.DataFrame, pyarrow.table])
def test_frames_go_in(frame: Any) -> None:
    job = rowmill.enrich(frame({"text": ["good", None]}), function=lambda row: row["text"] or "none", output="mood")
    assert moods(job) == ["good", "none"]


def test_frames_come_out() -> None:
    results = rowmill.enrich(ROWS, function=shop.mood, output="mood").results()
    expected = ["good", "bad"]
    assert results.to_arrow()["mood"].to_pylist() == expected
    assert results.to_polars()["mood"].to_list() == expected
    assert results.to_pandas()["mood"].to_list() == expected


def test_results_are_saved_in_the_format_that_the_suffix_says(tmp_path: Path) -> None:
    job = rowmill.enrich(ROWS, function=shop.mood, output="mood")
    lines = job.results().save(tmp_path / "out.csv").read_text().splitlines()
    assert lines[:2] == ["text,mood,_status,_error", "good one,good,succeeded,"]
    (tmp_path / "other").touch()
    assert (tmp_path / "out.csv").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_missing_package_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    job = rowmill.enrich(ROWS, function=shop.mood, output="mood")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(UsageError, match="pip install polars"):
        job.results().to_polars()


def test_failed_rows_are_in_the_results() -> None:
    rows = [{"text": "fail"}, {"text": "good"}]
    job = rowmill.enrich(rows, function=shop.mood, output="mood", max_attempts=1)
    assert [(row["_status"], row["mood"]) for row in job.results()] == [("failed", None), ("succeeded", "good")]


def test_a_job_that_does_not_complete_raises_with_the_job() -> None:
    def refuse(row: dict[str, Any]) -> rowmill.StopJob:
        return rowmill.StopJob("no_credit", "There is no credit.", "Buy some.")

    with pytest.raises(JobStopped, match="no credit") as stopped:
        rowmill.enrich(ROWS, function=refuse, output="mood")
    assert stopped.value.job.status == "failed"


def test_what_failed_goes_on_with_the_same_call(gate: Any) -> None:
    def bill(row: dict[str, Any]) -> Any:
        return "paid" if shop.GATE.is_set() else rowmill.StopJob("no_credit", "There is no credit.", "Buy some.")

    with pytest.raises(JobStopped) as stopped:
        rowmill.enrich(ROWS, function=bill, output="mood")
    gate.set()
    job = rowmill.enrich(ROWS, function=bill, output="mood")
    assert (job.id, moods(job)) == (stopped.value.job.id, ["paid", "paid"])


def test_a_job_retried_by_its_handle_is_worked_here() -> None:
    rows = [{"text": "wait a bit"}, {"text": "good"}]
    failing = {"wait a bit"}

    def once(row: dict[str, Any]) -> str:
        if row["text"] in failing:
            raise ValueError
        return "good"

    job = rowmill.enrich(rows, function=once, output="mood", max_attempts=1)
    assert job.failed == 1
    failing.clear()
    assert job.retry().wait().failed == 0


def test_a_job_whose_work_cannot_begin_raises_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(self: object) -> None:
        raise UsageError("Its machine is away.", "Bring it back.")

    monkeypatch.setattr(PythonProcessor, "open", refuse)
    with pytest.raises(JobStopped, match="machine is away"):
        rowmill.enrich(ROWS, function=shop.mood, output="mood")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "nothing to do"),
        ({"prompt": "x", "function": shop.mood}, "one thing"),
        ({"prompt": "{{nothing}}", "model": "local/smollm2"}, "no such column"),
        ({"prompt": "{{text}}"}, "no model"),
        ({"function": "shop:"}, "function"),
        ({"function": shop.mood, "output": {"mood": "good |"}}, "empty label"),
        ({"function": shop.mood, "concurrency": 0}, "concurrency"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(options: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        rowmill.enrich(ROWS, **options)


def test_no_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="no rows"):
        rowmill.enrich([], function=shop.mood)


def test_an_option_that_is_none_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="promt"):
        rowmill.enrich(ROWS, promt="x")  # type: ignore[call-arg]
