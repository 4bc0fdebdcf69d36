"""``rowmill.enrich``: jobs that run in this process."""

import asyncio
import io
import re
import signal
import sqlite3
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas
import polars
import pyarrow  # type: ignore[import-untyped]
import pytest
from rich.console import Console

import rowmill
from rowmill.builtin.processors.python import PythonProcessor
from rowmill.client import JobStopped
from rowmill.core.errors import UsageError
from rowmill.ledger.opening import open_store
from rowmill.testing import ModelServer
from tests.unit.client import shop

ROWS = [{"text": "good one"}, {"text": "so so"}]


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


CREDIT = threading.Event()


def test_the_same_call_continues_what_failed() -> None:
    def bill(row: dict[str, Any]) -> Any:
        return "paid" if CREDIT.is_set() else rowmill.StopJob("no_credit", "There is no credit.", "Buy some.")

    with pytest.raises(JobStopped) as stopped:
        rowmill.enrich(ROWS, function=bill, output="mood")
    CREDIT.set()
    job = rowmill.enrich(ROWS, function=bill, output="mood")
    assert (job.id, moods(job)) == (stopped.value.job.id, ["paid", "paid"])


def test_a_budget_pauses_the_job_until_it_is_raised(models: ModelServer) -> None:
    def call(budget: float) -> rowmill.LocalJob:
        return rowmill.enrich(
            [{"n": number} for number in range(20)],
            prompt="{{n}}?",
            output="answer",
            model="openai/gpt-5-mini",
            connection="models",
            price=(1.0, 1.0),
            concurrency=1,
            budget_usd=budget,
        )

    with pytest.raises(JobStopped, match="budget") as stopped:
        call(0.00001)
    assert 0 < stopped.value.job.processed < 20
    job = call(10)
    assert (job.id, job.succeeded) == (stopped.value.job.id, 20)


def test_failed_rows_are_shown_and_retried_here() -> None:
    failing = {"bad"}

    def once(row: dict[str, Any]) -> str:
        if row["text"] in failing:
            raise ValueError("no mood at all")
        return "fine"

    job = rowmill.enrich([{"text": "good"}, {"text": "bad"}], function=once, output="mood", max_attempts=1)
    assert [(row.number, row.error and row.error.code) for row in job.rows(status="failed")] == [(2, "function_error")]
    assert [row.status for row in job.rows()] == ["succeeded", "failed"]
    with pytest.raises(JobStopped, match="1 of 2 rows"):
        job.check()
    failing.clear()
    assert job.retry(rows="2").failed == 0
    assert moods(job) == ["fine", "fine"]


def test_work_that_cannot_begin_raises_why_and_continues_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(self: object) -> None:
        raise UsageError("Its machine is away.", "Bring it back.")

    with monkeypatch.context() as broken:
        broken.setattr(PythonProcessor, "open", refuse)
        with pytest.raises(UsageError, match="machine is away"):
            rowmill.enrich(ROWS, function=shop.mood, output="mood")
    assert rowmill.enrich(ROWS, function=shop.mood, output="mood").succeeded == 2


def test_it_works_while_an_event_loop_runs_as_in_a_notebook() -> None:
    async def cell() -> rowmill.LocalJob:
        return rowmill.enrich(ROWS, function=shop.mood, output="mood")

    assert moods(asyncio.run(cell())) == ["good", "bad"]


def test_several_calls_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=30)

    def meet(row: dict[str, Any]) -> str:
        both.wait()
        return "met"

    with ThreadPoolExecutor() as pool:
        jobs = pool.map(lambda name: rowmill.enrich([{"name": name}], function=meet, output="mood"), "ab")
        assert [moods(job) for job in jobs] == [["met"], ["met"]]


def test_steps_see_the_outputs_of_those_before() -> None:
    job = rowmill.enrich(
        ROWS,
        steps=[
            {"name": "first", "function": lambda row: len(row["text"]), "output": {"length": int}},
            {"function": lambda row: row["length"] * 2, "output": {"double": int}},
        ],
    )
    assert [row["double"] for row in job.results()] == [16, 10]
    assert [step.name for step in job.steps] == ["first", "python"]


def test_progress_is_shown_while_rows_are_worked(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr("rich.console.Console", lambda stderr: Console(file=screen, force_terminal=True, width=120))

    def shown(row: dict[str, Any]) -> bool:
        end = time.monotonic() + 30
        while "running" not in screen.getvalue() and time.monotonic() < end:
            time.sleep(0.01)
        return "0 of 2 rows" in screen.getvalue()

    job = rowmill.enrich(ROWS, function=shown, output={"shown": bool}, progress=True)
    assert [row["shown"] for row in job.results()] == [True, True]


def test_no_thread_is_left_behind() -> None:
    rowmill.enrich(ROWS, function=shop.mood, output="mood")
    before = set(threading.enumerate())
    rowmill.enrich(ROWS, function=shop.mood, output="mood", new=True)
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()


def test_ctrl_c_pauses_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupting(row: dict[str, Any]) -> str:
        if row["n"] == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            with closing(open_store()) as store:
                while not store.browse.find_job("last").stopping:
                    time.sleep(0.01)
        return "done"

    rows = [{"n": number} for number in range(1, 100)]
    with pytest.raises(KeyboardInterrupt):
        rowmill.enrich(rows, function=interrupting, output="mood", concurrency=1, progress=False)
    [continuing] = re.findall(r"Call again to continue (job_\w+)\.$", capsys.readouterr().err, re.M)
    with closing(open_store()) as store:
        job = store.browse.find_job(continuing)
    assert (job.status, job.pause_reason) == ("paused", "user")
    assert 0 < (job.counts.processed or 0) < len(rows)


class TimeUp(Exception):
    """Raised by a signal handler, as by the timeout of a test runner."""


def test_what_interrupts_the_caller_otherwise_leaves_the_job_to_be_continued() -> None:
    def alarming(row: dict[str, Any]) -> str:
        if row["n"] == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            raised.wait(30)
        return "done"

    def handle(*_: object) -> None:
        raised.set()
        raise TimeUp

    raised = threading.Event()
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with pytest.raises(TimeUp):
            rowmill.enrich(
                [{"n": number} for number in range(1, 1000)], function=alarming, output="mood", concurrency=1
            )
    finally:
        signal.signal(signal.SIGUSR1, before)
    with closing(open_store()) as store:
        job = store.browse.find_job("last")
    assert (job.status, job.interrupted, job.uncertain) == ("pending", False, 0)
    assert 0 < job.counts.processed < 999


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "nothing to do"),
        ({"prompt": "x", "function": shop.mood}, "one thing"),
        ({"prompt": "{{nothing}}", "model": "local/smollm2"}, "no such column"),
        ({"prompt": "{{text}}"}, "no model"),
        ({"function": "shop:"}, "function"),
        ({"function": shop.mood, "output": {"mood": "good |"}}, "empty label"),
        ({"function": shop.mood, "concurrency": 0}, "concurrency is 0"),
        ({"function": shop.mood, "concurrency": 2.5}, "concurrency is 2.5"),
        ({"function": shop.mood, "output": {"mood": {"type": "colour"}}}, "mood"),
        ({"steps": [{"function": shop.mood, "outptu": "mood"}]}, "outptu"),
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
