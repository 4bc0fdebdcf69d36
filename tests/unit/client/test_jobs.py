"""What every client can do with jobs, whichever way it goes."""

import threading
from pathlib import Path
from typing import Any

import pytest

from rowmill.client import ApiError, Conflict, InvalidRequest, JobStopped, NotFound, WaitTimeout, display
from rowmill.core.errors import UsageError

from . import shop

MOOD = f"{shop.__name__}:mood"
HELD = f"{shop.__name__}:held"
ROWS = [{"text": "good one"}, {"text": "so so"}]
OUTPUT = {"mood": "good | bad"}


def done(client: Any, rows: Any = ROWS, **more: Any) -> Any:
    return client.jobs.create(rows, function=MOOD, output=OUTPUT, max_attempts=1, **more).wait()


def test_a_job_is_made_worked_and_gives_its_results(client: Any) -> None:
    job = client.jobs.create(ROWS, function=MOOD, output=OUTPUT, name="moods", metadata={"team": "shop"})
    assert (job.type, job.name, job.total, job.metadata) == ("enrichment", "moods", 2, {"team": "shop"})
    ended = job.wait(check=True)
    assert (ended.status, ended.succeeded, ended.progress) == ("completed", 2, 100.0)
    assert ended.finished_at >= ended.started_at
    assert [(row["text"], row["mood"], row["_status"]) for row in ended.results()] == [
        ("good one", "good", "succeeded"),
        ("so so", "bad", "succeeded"),
    ]


def test_results_are_iterated_as_often_as_one_likes(client: Any) -> None:
    results = done(client).results()
    assert list(results) == list(results) == results.to_list()


def test_a_list_runs_over_all_pages(client: Any) -> None:
    rows = [{"text": f"good {number}"} for number in range(250)]
    job = done(client, rows)
    assert [row.number for row in job.rows()] == list(range(1, 251))
    assert [row.number for row in job.rows(after=248)] == [249, 250]


def test_a_row_is_shown_with_its_attempts(client: Any) -> None:
    row = done(client).row(1)
    assert (row.values, row.output, row.status) == ({"text": "good one"}, {"mood": "good"}, "succeeded")
    assert [attempt.outcome for attempt in row.attempts] == ["succeeded"]


def test_jobs_are_listed_newest_first_and_by_status(client: Any) -> None:
    job = client.jobs.create(ROWS, function=MOOD, output=OUTPUT, start=False)
    assert next(iter(client.jobs.list())).id == job.id
    assert next(iter(client.jobs.list(status="paused", type="enrichment"))).id == job.id


def test_a_held_job_begins_when_it_is_started(client: Any) -> None:
    job = client.jobs.create(ROWS, function=MOOD, output=OUTPUT, start=False)
    assert job.status == "paused"
    assert job.start().wait().status == "completed"


def test_a_job_is_paused_changed_and_resumed(client: Any, gate: threading.Event) -> None:
    rows = [{"text": "wait"}] + [{"text": "good"}] * 20
    job = client.jobs.create(rows, function=HELD, output=OUTPUT, concurrency=1)
    paused = _paused(job, gate)
    assert (paused.status, paused.pause_reason) == ("paused", "user")
    assert paused.unprocessed > 0
    changed = paused.update(name="later", concurrency=3)
    assert (changed.name, changed.concurrency, changed.settings.concurrency) == ("later", 3, 3)
    assert changed.resume().wait(check=True).succeeded == 21


def _paused(job: Any, gate: threading.Event) -> Any:
    """The job paused while its first row is held."""
    for event in job.events():
        if event.data["running"]:
            break
    assert job.pause().stopping
    gate.set()
    return job.wait()


def test_a_cancelled_job_cannot_be_resumed(client: Any) -> None:
    job = client.jobs.create(ROWS, function=MOOD, output=OUTPUT, start=False).cancel()
    assert job.status == "cancelled"
    with pytest.raises(Conflict) as refused:
        job.resume()
    assert (refused.value.status, refused.value.code) == (409, "illegal_transition")
    assert refused.value.hint


def test_failed_rows_are_shown_retried_and_dismissed(client: Any) -> None:
    job = done(client, [{"text": "fail"}, {"text": "good"}])
    assert (job.status, job.failed, job.needs_attention) == ("completed", 1, True)
    assert [(row.number, row.error.code) for row in job.rows(status="failed")] == [(1, "function_error")]
    assert [row["text"] for row in job.results(only="failed")] == ["fail"]
    with pytest.raises(JobStopped, match="1 of 2 rows") as stopped:
        job.check()
    assert stopped.value.job.id == job.id
    again = job.retry(codes=["function_error"]).wait()
    assert (again.status, again.failed, len(again.row(1).attempts)) == ("completed", 1, 2)
    assert not again.dismiss().needs_attention


def test_what_stopped_a_job_comes_with_what_can_be_done(client: Any) -> None:
    job = client.jobs.create(ROWS, function=MOOD, output=OUTPUT, start=False)
    with pytest.raises(JobStopped, match=r"is paused \(user\)") as paused:
        job.wait(check=True)
    assert paused.value.hint == "job.resume() continues it."
    with pytest.raises(JobStopped, match="is cancelled") as cancelled:
        job.cancel().wait(check=True)
    assert "resume" not in cancelled.value.hint


def test_a_deleted_job_is_not_found(client: Any) -> None:
    job = done(client)
    job.delete()
    with pytest.raises(NotFound) as missing:
        job.refresh()
    assert missing.value.status == 404


def test_an_id_that_is_none_is_refused_wherever_it_is_given(client: Any) -> None:
    for use in (client.jobs.get, client.jobs.wait, lambda id_: client.jobs.results(id_).to_list()):
        with pytest.raises(ApiError) as refused:
            use("no such/job?")
        assert refused.value.code == "not_found"


def test_waiting_ends_after_its_time_and_the_job_goes_on(client: Any, gate: threading.Event) -> None:
    job = client.jobs.create([{"text": "wait"}], function=HELD, output=OUTPUT)
    with pytest.raises(WaitTimeout):
        job.wait(timeout=0.3)
    gate.set()
    assert job.wait().status == "completed"


def test_events_tell_what_happens_until_the_job_is_over(client: Any, gate: threading.Event) -> None:
    job = client.jobs.create([{"text": "wait"}], function=HELD, output=OUTPUT)
    seen = []
    for event in job.events():
        seen.append(event)
        gate.set()
    assert seen[-1].type == "job.completed"
    assert seen[-1].data["id"] == job.id


def test_a_job_over_the_rows_that_another_left(client: Any) -> None:
    job = client.jobs.create(ROWS, function=MOOD, output=OUTPUT, start=False).cancel()
    rest = client.jobs.create(from_job=job.id, only="unprocessed").wait(check=True)
    assert (rest.total, rest.dataset) == (2, job.dataset)


def test_what_cannot_work_is_refused(client: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        client.jobs.create(ROWS, function=MOOD, output=OUTPUT, where="text = 'x'")
    assert refused.value.code == "usage"


def test_many_rows_are_uploaded_and_the_upload_is_removed(client: Any) -> None:
    before = list(client.files.list())
    job = client.jobs.create([{"text": "x" * 50_000}] * 100, function=MOOD, output=OUTPUT).wait()
    assert job.succeeded == 100
    assert list(client.files.list()) == before


def test_a_file_is_uploaded_by_its_path_and_the_upload_is_removed(client: Any, tmp_path: Path) -> None:
    before = list(client.files.list())
    (tmp_path / "in.csv").write_text("text\ngood\nbad\n")
    job = client.jobs.create(tmp_path / "in.csv", function=MOOD, output=OUTPUT).wait(check=True)
    assert (job.name, [row["mood"] for row in job.results()]) == ("in.csv", ["good", "bad"])
    assert list(client.files.list()) == before


@pytest.mark.parametrize("given", [{}, {"rows": ROWS, "dataset": "x"}, {"input": ROWS, "rows": ROWS}])
def test_a_job_has_one_input(client: Any, given: Any) -> None:
    with pytest.raises(UsageError, match="one input"):
        client.jobs.create(function=MOOD, **given)


def test_several_steps_see_what_those_before_them_found(client: Any) -> None:
    steps = [{"function": MOOD, "output": ["mood"]}, {"function": MOOD, "output": ["again"], "name": "second"}]
    job = client.jobs.create(rows=ROWS, steps=steps).wait(check=True)
    assert [step.name for step in job.steps] == ["python", "second"]
    assert [(row["mood"], row["again"]) for row in job.results()] == [("good", "good"), ("bad", "bad")]


def test_watching_shows_the_job_on_stderr_and_waiting_does_not(
    client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(display, "_LINE_EVERY", 0.0)
    job = client.jobs.create(ROWS, function=MOOD, output=OUTPUT)
    assert job.wait().status == "completed"
    assert capsys.readouterr().err == ""
    assert job.watch().status == "completed"
    assert capsys.readouterr().err.startswith(f"{job.id} completed: 2 of 2 rows")
