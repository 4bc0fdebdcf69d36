from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from rowmill.cli.remedies import REMEDIES
from rowmill.core.job import Job, JobError, Owner, Pace, Step
from rowmill.core.status import Action, JobStatus
from rowmill.core.timestamps import moment
from rowmill.jobs.view import job_view, pace_of, row_view
from rowmill.ledger.store import Store
from rowmill.shapes import jobs as job_shapes
from rowmill.shapes.base import to_json
from rowmill.shapes.rows import RowError
from tests.support.work import begin, complete, make, settle

# As the design lists them; what else is shown is free to change.
FIELDS = """id type name status stopping interrupted waiting_for pause_reason needs_attention error total processed
    succeeded failed skipped unprocessed uncertain progress rate eta_seconds tokens_in tokens_out cost_usd concurrency
    created_at started_at finished_at duration_seconds dataset steps metadata""".split()  # noqa: SIM905 - a list of thirty quoted words reads worse


@pytest.fixture
def job(store: Store, engine: str, reviews: Path) -> Job:
    return make(store, engine, reviews, price="1,1")


@pytest.fixture
def completed(store: Store, engine: str, job: Job) -> Job:
    return complete(store, engine, job, {1: "good", 2: None, 3: "good", 4: "bad"})


def test_a_job_is_shown_with_every_field_of_the_design_as_json(store: Store, completed: Job) -> None:
    view = job_view(completed, store.clock(), REMEDIES, store.browse.executions(completed.pk))
    shown = orjson.loads(to_json(view))
    assert set(FIELDS) <= set(shown)
    assert (shown["status"], shown["type"], shown["needs_attention"]) == ("completed", "enrichment", True)
    assert (shown["processed"], shown["unprocessed"], shown["progress"]) == (4, 0, 100.0)
    assert (shown["tokens_in"], shown["tokens_out"], shown["cost_usd"]) == (40, 6, 5.5e-06)
    assert [execution["ended_as"] for execution in shown["executions"]] == ["completed"]
    assert shown["dataset"].startswith("ds_")
    assert job_view(completed, store.clock(), REMEDIES).executions is None


def test_a_pending_job_waits_for_a_worker(store: Store, job: Job) -> None:
    view = job_view(job, store.clock(), REMEDIES)
    assert (view.waiting_for, view.rate, view.eta_seconds) == ("worker", None, None)
    assert (view.started_at, view.finished_at, view.duration_seconds) == (None, None, 0)


def test_a_stopping_job_waits_for_its_rows_in_flight(store: Store, engine: str, job: Job) -> None:
    begin(store, engine, job)
    store.control.pause(job.pk, store.clock())
    stopping = store.browse.job(job.pk)
    assert job_view(stopping, store.clock(), REMEDIES).waiting_for == "in_flight"
    interrupted = replace(stopping, owner=None)
    assert job_view(interrupted, store.clock(), REMEDIES).waiting_for is None
    assert job_view(interrupted, store.clock(), REMEDIES).interrupted


def test_the_rate_is_that_of_late_and_says_when_it_will_be_done(store: Store, engine: str, job: Job) -> None:
    settle(store, begin(store, engine, job), {1: "good", 2: "good"})
    running = store.browse.job(job.pk)
    assert running.pace
    later = running.pace.rate_sample_at + 10
    assert pace_of(running, later) == 0.2
    assert job_view(running, later, REMEDIES).eta_seconds == 10
    assert pace_of(running, running.pace.rate_sample_at) is None


def test_a_job_that_does_not_run_has_no_rate(store: Store, engine: str, job: Job) -> None:
    begin(store, engine, job)
    running = store.browse.job(job.pk)
    assert pace_of(replace(running, owner=Owner("eng", 1, alive=False)), store.clock() + 9) is None
    paused = replace(running, status=JobStatus.PAUSED, pace=None)
    assert pace_of(paused, store.clock() + 9) is None


def test_the_duration_is_the_time_that_executions_took(store: Store, engine: str, job: Job) -> None:
    claim = begin(store, engine, job)
    began = store.browse.job(job.pk)
    assert began.pace
    assert job_view(began, began.pace.started_at + 5, REMEDIES).duration_seconds == 5
    store.ledger.finish(claim, Action.RELEASE, claim_end := began.pace.started_at + 7)
    released = store.browse.job(job.pk)
    assert job_view(released, claim_end + 100, REMEDIES).duration_seconds == 7
    resumed = replace(released, pace=Pace(claim_end + 100, 0, 0), owner=Owner("eng", 1, alive=True))
    assert job_view(resumed, claim_end + 103, REMEDIES).duration_seconds == 10


def test_cost_is_unknown_without_a_price_and_an_error_says_how_to_mend_it(store: Store, job: Job) -> None:
    unpriced = [replace(step, price=None) for step in job.steps]
    failed = replace(job, steps=unpriced, error=JobError("no_credit", "There is none.", "Pay."))
    view = job_view(failed, store.clock(), REMEDIES)
    assert view.cost_usd is None
    assert view.error == job_shapes.JobError("no_credit", "There is none.", "Pay.")


def test_a_secret_that_is_written_out_in_a_request_is_not_shown(store: Store, job: Job) -> None:
    headers = {"Authorization": "Bearer written-out", "X-Api-Key": "${SHOP_KEY}", "Accept": "text/csv"}
    url = "https://a.example/{{id}}?api_key=written-out&page=2"
    asking = replace(job, steps=[Step("http", "http", {"url": url, "headers": headers}, {"a": {}})])
    (step,) = job_view(asking, store.clock(), REMEDIES).steps
    assert step.config["headers"] == {**headers, "Authorization": "[hidden]"}
    assert step.config["url"] == "https://a.example/{{id}}?api_key=[hidden]&page=2"


def test_a_row_is_shown_with_its_values_by_name_its_error_and_its_attempts(store: Store, completed: Job) -> None:
    good, failed = (row_view(row, ["id", "Review"], priced=True) for row in store.browse.rows(completed.pk, 1, 2))
    assert good.values == {"id": "1", "Review": "fine"}
    assert (good.status, good.output, good.error) == ("succeeded", {"mood": "good"}, None)
    assert failed.error == RowError("bad_request", "It was refused.")
    (attempt,) = failed.attempts
    assert (attempt.attempt, attempt.duration_seconds, attempt.cost_usd) == (1, 0.5, 1e-06)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_700_000_000.5, "2023-11-14T22:13:20.500Z"), (None, None)],
)
def test_times_are_rfc_3339_in_utc(seconds: float | None, text: str | None) -> None:
    assert moment(seconds) == text
