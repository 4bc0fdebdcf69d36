"""Jobs: started, listed, changed, updated, retried, deleted."""

import pytest

from rowmill.core.job import JobError
from rowmill.core.status import Action, JobStatus
from rowmill.http.context import Context
from rowmill.ledger.store import Store
from rowmill.testing import ModelServer, Reply
from rowmill.worker.worker import Worker
from tests.support import asking
from tests.support.made import PRICE, begin, completed, make
from tests.support.serving import Api, ended


def test_a_held_job_waits_until_it_is_started(api: Api, models: ModelServer, worker: Worker) -> None:
    held = asking.made(api, steps=[asking.prompt()])
    assert (held["status"], held["pause_reason"]) == ("paused", "user")
    other = asking.made(api, steps=[asking.prompt("Now {{review}}")], start=True)
    ended(api, other["id"])
    assert api.get(f"/v1/jobs/{held['id']}").json["status"] == "paused"
    started = api.post(f"/v1/jobs/{held['id']}/start")
    assert (started.status, started.json["status"]) == (200, "pending")
    assert ended(api, held["id"])["status"] == "completed"


def test_the_newest_job_comes_first_and_filters_hold(api: Api, store: Store) -> None:
    done, waiting = completed(store), make(store)
    assert [job["id"] for job in api.every("/v1/jobs")] == [waiting.id, done.id]
    assert [job["id"] for job in api.every("/v1/jobs", status="completed")] == [done.id]
    assert [job["id"] for job in api.every("/v1/jobs", status="pending", type="enrichment")] == [waiting.id]
    assert api.every("/v1/jobs", type="import") == []
    assert api.get("/v1/jobs", status="broken").code == "invalid_request"
    assert all(job["executions"] is None for job in api.every("/v1/jobs"))


def test_a_job_is_shown_with_its_executions(api: Api, store: Store) -> None:
    job = completed(store)
    shown = api.get(f"/v1/jobs/{job.id}").json
    assert [each["ended_as"] for each in shown["executions"]] == ["completed"]
    assert (shown["total"], shown["succeeded"], shown["failed"], shown["needs_attention"]) == (3, 2, 1, True)
    assert shown["progress"] == 100.0


def test_only_the_whole_id_means_a_job(api: Api, store: Store) -> None:
    job = make(store)
    assert api.get(f"/v1/jobs/{job.id[:-1]}").code == "not_found"
    assert api.get("/v1/jobs/last").code == "invalid_request"


def test_a_running_job_follows_at_once(api: Api, models_held: ModelServer, worker: Worker) -> None:
    rows = [{"review": f"number {number}"} for number in range(40)]
    made = asking.made(api, rows=rows, steps=[asking.prompt()], concurrency=2, start=True)
    models_held.wait_for(2)
    assert models_held.active == 2
    changed = api.patch(f"/v1/jobs/{made['id']}", {"concurrency": 9})
    assert (changed.status, changed.json["concurrency"], changed.json["status"]) == (200, 9, "running")
    models_held.wait_for(9)
    assert models_held.peak == 9


def test_what_is_not_named_stays_as_it_is(api: Api) -> None:
    made = asking.made(api, concurrency=7, rpm=60, metadata={"a": "b"})
    path = f"/v1/jobs/{made['id']}"
    changed = api.patch(path, {"max_attempts": 1}).json
    assert changed["settings"] == {**made["settings"], "max_attempts": 1}
    assert (changed["name"], changed["metadata"]) == (made["name"], {"a": "b"})
    assert api.patch(path, {}).json["settings"] == changed["settings"]
    assert api.patch(path, {"rpm": None, "concurrency": None}).json["settings"] == {
        **changed["settings"],
        "rpm": None,
        "concurrency": 5,
    }
    assert api.patch(path, {"metadata": {}}).json["metadata"] == {}


@pytest.mark.parametrize(
    "change", [{"concurrency": 0}, {"concurrency": "5"}, {"timeout": 0}, {"colour": 1}, {"rpm": 1.5}]
)
def test_a_change_that_makes_no_sense_is_refused(api: Api, change: dict[str, object]) -> None:
    path = f"/v1/jobs/{asking.made(api)['id']}"
    before = api.get(path).headers["ETag"]
    answer = api.patch(path, change)
    assert answer.code == "invalid_request"
    assert [error["field"] for error in answer.json["errors"]] == list(change)
    assert api.get(path).headers["ETag"] == before


def test_a_budget_is_changed_only_where_the_price_is_known(api: Api, store: Store) -> None:
    unpriced, priced = make(store), make(store, price=PRICE)
    asking.refused(api.patch(f"/v1/jobs/{unpriced.id}", {"budget_usd": 1, "name": "other"}), "usage")
    assert api.get(f"/v1/jobs/{unpriced.id}").json["name"] == "reviews.csv"
    assert api.patch(f"/v1/jobs/{priced.id}", {"budget_usd": 1.5}).json["settings"]["budget_usd"] == 1.5
    assert api.patch(f"/v1/jobs/{priced.id}", {"budget_usd": None}).json["settings"]["budget_usd"] is None


def test_a_pause_is_obeyed_and_taken_back(api: Api, models_held: ModelServer, worker: Worker) -> None:
    made = asking.made(api, steps=[asking.prompt()], concurrency=1, start=True)
    path = f"/v1/jobs/{made['id']}"
    models_held.wait_for(1)
    pausing = api.post(f"{path}/pause").json
    assert (pausing["status"], pausing["stopping"], pausing["waiting_for"]) == ("running", True, "in_flight")
    assert api.post(f"{path}/resume").json["stopping"] is False


def test_a_cancel_aborts_what_is_in_flight(api: Api, models_held: ModelServer, worker: Worker) -> None:
    made = asking.made(api, steps=[asking.prompt()], start=True)
    models_held.wait_for(3)
    cancelled = api.post(f"/v1/jobs/{made['id']}/cancel").json
    assert (cancelled["status"], cancelled["unprocessed"]) == ("cancelled", 3)
    models_held.wait_for_aborted(3)


@pytest.fixture
def models_held(models: ModelServer) -> ModelServer:
    """The provider, which never answers."""
    models._latency = 3600.0
    return models


LEGAL: dict[JobStatus, set[str]] = {
    JobStatus.PENDING: {"pause", "resume", "start", "cancel", "delete"},
    JobStatus.PAUSED: {"pause", "resume", "start", "cancel", "retry", "delete"},
    JobStatus.COMPLETED: {"retry", "dismiss", "delete"},
    JobStatus.CANCELLED: {"delete"},
    JobStatus.FAILED: {"resume", "start", "cancel", "retry", "delete"},
}
VERBS = ("start", "pause", "resume", "cancel", "retry", "dismiss", "delete")


def _come_to(store: Store, status: JobStatus) -> str:
    """The id of a job of that status."""
    if status is JobStatus.COMPLETED:
        return completed(store).id
    job = make(store)
    match status:
        case JobStatus.PAUSED:
            store.control.pause(job.pk, store.clock())
        case JobStatus.CANCELLED:
            store.control.cancel(job.pk, store.clock())
        case JobStatus.FAILED:
            claim = begin(store, job)
            error = JobError("auth", "The key was refused.", "Give another.")
            assert store.ledger.finish(claim, Action.FAIL, store.clock(), error=error)
    return job.id


@pytest.mark.parametrize("status", LEGAL)
def test_what_the_status_does_not_allow_is_refused(api: Api, store: Store, status: JobStatus) -> None:
    for verb in VERBS:
        path = f"/v1/jobs/{_come_to(store, status)}"
        answer = api.delete(path) if verb == "delete" else api.post(f"{path}/{verb}")
        if verb in LEGAL[status]:
            assert answer.status in (200, 204), (verb, answer)
        else:
            assert asking.refused(answer, "illegal_transition").startswith(f"A {status} job cannot be "), verb


def test_a_job_that_a_living_process_works_is_not_taken_from_it(api: Api, store: Store) -> None:
    job = make(store)
    begin(store, job)
    for verb in ("resume", "start"):  # it goes on already
        assert api.post(f"/v1/jobs/{job.id}/{verb}").json["status"] == "running"
    asking.refused(api.delete(f"/v1/jobs/{job.id}"), "busy")
    store.control.cancel(job.pk, store.clock())
    asking.refused(api.post(f"/v1/jobs/{job.id}/resume"), "busy")


def test_an_interrupted_job_says_so(api: Api, store: Store) -> None:
    job = make(store)
    engine = store.join()
    begin(store, job, engine)
    store.presence.deregister(engine)
    shown = api.get(f"/v1/jobs/{job.id}").json
    assert (shown["status"], shown["interrupted"]) == ("running", True)
    assert api.post(f"/v1/jobs/{job.id}/pause").json["status"] == "paused"


def test_failed_rows_are_retried_by_number_and_code(api: Api, store: Store) -> None:
    job = completed(store, [None, "good", None, None])
    path = f"/v1/jobs/{job.id}"
    asking.refused(api.post(f"{path}/retry", {"codes": ["other"]}), "usage")
    asking.refused(api.post(f"{path}/retry", {"rows": "2"}), "usage")
    asking.refused(api.post(f"{path}/retry", {"rows": "9"}), "usage")
    again = api.post(f"{path}/retry", {"rows": "1-3", "codes": ["bad_request", "other"]}).json
    assert (again["status"], again["failed"], again["unprocessed"]) == ("pending", 1, 2)
    assert [row["number"] for row in api.every(f"{path}/rows", status="failed")] == [4]


def test_a_retry_without_a_body_is_of_all_failed_rows(api: Api, store: Store) -> None:
    for body in (None, {}, {"failed_only": True}):
        again = api.post(f"/v1/jobs/{completed(store, [None, 'good', None]).id}/retry", body).json
        assert (again["failed"], again["unprocessed"]) == (0, 2)


def test_retried_rows_are_worked_by_the_server(api: Api, models: ModelServer, worker: Worker) -> None:
    bad = Reply(status=400)
    models._scripted = lambda request: bad if request.prompt == "Say bad" else "ok"
    made = asking.made(api, steps=[asking.prompt()], start=True)
    assert ended(api, made["id"])["failed"] == 1
    models._scripted = None
    api.post(f"/v1/jobs/{made['id']}/retry")
    assert ended(api, made["id"])["succeeded"] == 3
    assert models.counts == {"Say fine": 1, "Say bad": 2, "Say good": 1}


def test_failed_rows_are_dismissed(api: Api, store: Store) -> None:
    assert api.post(f"/v1/jobs/{completed(store).id}/dismiss").json["needs_attention"] is False


def test_a_deleted_job_is_gone(api: Api, store: Store) -> None:
    path = f"/v1/jobs/{completed(store).id}"
    gone = api.delete(path)
    assert (gone.status, gone.content) == (204, b"")
    assert api.get(path).code == "not_found"
    assert api.get(f"{path}/rows").code == "not_found"
    assert api.delete(path).code == "not_found"
    assert store.database.read("SELECT count(*) FROM outcomes") == [(0,)]


def test_the_worker_is_woken_by_whatever_gives_it_work(api: Api, context: Context, store: Store) -> None:
    woken: list[str] = []
    context.wake = lambda: woken.append("")
    made = asking.made(api, start=True)
    assert len(woken) == 1
    for verb in ("pause", "resume", "pause", "start"):
        api.post(f"/v1/jobs/{made['id']}/{verb}")
    api.post(f"/v1/jobs/{completed(store).id}/retry")
    api.patch(f"/v1/jobs/{made['id']}", {"concurrency": 2})
    assert len(woken) == 5
