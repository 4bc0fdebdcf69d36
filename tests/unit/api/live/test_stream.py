"""Live events as a browser hears them."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI

from rowmill.api.live import stream as stream_module
from rowmill.api.live.hub import Hub
from rowmill.core.access import Access
from rowmill.core.job import Job
from rowmill.core.status import Action, JobType
from rowmill.ledger.store import Store
from rowmill.tokens import service as tokens
from tests.support.listening import Heard, listening
from tests.support.made import begin, completed, make, settle, start
from tests.support.serving import Api


@pytest.fixture(autouse=True)
def hub(store: Store) -> Hub:
    """Brisk, so that tests need not wait."""
    return Hub(store, every=0.02)


def _events(job: Job) -> str:
    return f"/v1/jobs/{job.id}/events"


def _types(heard: list[Heard]) -> list[str]:
    return [event.type for event in heard]


def _finish(store: Store, job: Job) -> None:
    claim = begin(store, job)
    settle(store, claim, dict.fromkeys(start(store, claim), "good"))
    assert store.ledger.finish(claim, Action.COMPLETE, store.clock())


def _old(store: Store, job: Job) -> str:
    """Pauses ``job`` and lets all be forgotten that was before; returns what a listener had seen then."""
    seen = str(store.events.last(job.id))
    store.control.pause(job.pk, store.clock())
    store.control.resume(job.pk, store.clock())
    store.events.forget(store.clock() + 1)
    return seen


def test_a_stream_begins_with_the_job_as_it_stands(api: Api, store: Store) -> None:
    job = make(store)
    with listening(api, _events(job)) as ear:
        first = ear.hear()
        assert first
        assert (first.type, first.id) == ("job.progress", "")
        assert first.job == {**api.get(f"/v1/jobs/{job.id}").json, "executions": None}
        assert ear.headers["content-type"].startswith("text/event-stream")
        assert ear.headers["cache-control"] == "no-store"
        assert ear.retry == 2000
        assert ear.last_id == str(store.events.last())


def test_each_status_is_told_with_its_number_and_then_the_end(api: Api, store: Store) -> None:
    job = make(store)
    before = store.events.last()
    with listening(api, _events(job)) as ear:
        ear.hear()
        _finish(store, job)
        heard = ear.rest()
    told = [event for event in heard if event.id]
    assert _types(told) == ["job.running", "job.completed", "end"]
    assert [event.id for event in told[:2]] == [str(each.seq) for each in store.events.after(before, 10)]
    assert told[2].id == told[1].id
    assert _types(heard)[-2:] == ["job.completed", "end"]
    assert (told[1].job["status"], told[1].job["succeeded"]) == ("completed", 3)


@pytest.mark.parametrize("verb", ["fail", "cancel"])
def test_a_stream_ends_however_the_job_ends(api: Api, store: Store, verb: str) -> None:
    job = make(store)
    with listening(api, _events(job)) as ear:
        ear.hear()
        if verb == "cancel":
            store.control.cancel(job.pk, store.clock())
        else:
            assert store.ledger.finish(begin(store, job), Action.FAIL, store.clock())
        told = _types(ear.rest())
    assert told[-2:] == ["job.cancelled" if verb == "cancel" else "job.failed", "end"]


def test_a_pause_is_no_end(api: Api, store: Store) -> None:
    job = make(store)
    with listening(api, _events(job)) as ear:
        ear.hear()
        store.control.pause(job.pk, store.clock())
        assert _types(ear.statuses(1)) == ["job.paused"]
        store.control.resume(job.pk, store.clock())
        assert _types(ear.statuses(1)) == ["job.pending"]


def test_progress_is_told_as_rows_are_settled_and_has_no_number(api: Api, store: Store) -> None:
    job = make(store)
    claim = begin(store, job)
    numbers = start(store, claim)
    with listening(api, _events(job)) as ear:
        ear.hear()
        for done in (1, 2):
            settle(store, claim, {numbers[done - 1]: "good"})
            told = ear.hear()
            assert told
            assert (told.type, told.id, told.job["processed"]) == ("job.progress", "", done)


def test_a_job_whose_engine_dies_is_told_to_be_interrupted(api: Api, store: Store) -> None:
    job = make(store)
    claim = begin(store, job)
    with listening(api, _events(job)) as one, listening(api) as all_:
        for ear in (one, all_):
            assert (first := ear.hear())
            assert not first.job["interrupted"]
        store.presence.deregister(claim.engine)
        for ear in (one, all_):
            assert (told := ear.hear())
            assert (told.type, told.job["interrupted"]) == ("job.progress", True)


@pytest.mark.parametrize("how", ["header", "query"])
def test_who_comes_back_is_told_all_that_was_missed(api: Api, store: Store, how: str) -> None:
    job = make(store)
    with listening(api, _events(job)) as ear:
        ear.hear()
        seen = ear.last_id
    for _ in range(2):
        store.control.pause(job.pk, store.clock())
        store.control.resume(job.pk, store.clock())
    query = {"last_event_id": seen} if how == "query" else {}
    with listening(api, _events(job), seen if how == "header" else None, **query) as ear:
        told = [ear.hear() for _ in range(4)]
    assert [event.type for event in told if event] == ["job.paused", "job.pending"] * 2
    assert [(event.job["status"], event.job["pause_reason"]) for event in told if event] == [
        ("paused", "user"),
        ("pending", None),
    ] * 2


def test_the_header_outranks_the_address(api: Api, store: Store) -> None:
    job = make(store)
    store.control.pause(job.pk, store.clock())
    with listening(api, _events(job), last_id=str(store.events.last()), last_event_id="0") as ear:
        store.control.resume(job.pk, store.clock())
        assert _types(ear.statuses(1)) == ["job.pending"]


def test_an_empty_header_means_none(api: Api, store: Store) -> None:
    with listening(api, _events(make(store)), last_id="") as ear:
        assert ear.until("job.progress")


def test_who_comes_back_is_told_how_the_job_stands(api: Api, store: Store) -> None:
    job = make(store)
    claim = begin(store, job)
    with listening(api, _events(job), last_id=str(store.events.last())) as ear:
        told = ear.hear()
        assert told
        assert (told.type, told.job["status"]) == ("job.progress", "running")
        settle(store, claim, {start(store, claim, 1)[0]: "good"})
        assert (told := ear.hear())
        assert told.job["running"] + told.job["processed"] == 1


def test_who_comes_back_too_late_is_told_so_and_how_things_stand(api: Api, store: Store) -> None:
    job = make(store)
    seen = _old(store, job)
    for path in (_events(job), "/v1/events"):
        with listening(api, path, last_id=seen) as ear:
            heard = [ear.hear(), ear.hear()]
            assert [event.type for event in heard if event] == ["reset", "job.progress"]
            assert ear.last_id == str(store.events.last())


def test_a_number_that_no_event_has_yet_is_too_late_as_well(api: Api, store: Store) -> None:
    with listening(api, _events(make(store)), last_id="999999") as ear:
        assert _types(ear.until("job.progress")) == ["reset", "job.progress"]


def test_the_oldest_event_that_is_kept_is_soon_enough(api: Api, store: Store) -> None:
    job = make(store)
    _old(store, job)
    with listening(api, _events(job), last_id=str(store.events.oldest() - 1)) as ear:
        assert _types(ear.until("job.pending")) == ["job.pending"]


def test_of_a_job_that_is_over_the_end_is_told_once(api: Api, store: Store) -> None:
    job = completed(store)
    with listening(api, _events(job)) as ear:
        assert _types(ear.rest()) == ["job.progress", "end"]
        seen = ear.last_id
    with listening(api, _events(job), last_id=seen) as ear:
        assert ear.status == 204
    with listening(api, _events(job), last_event_id=str(store.events.last(job.id))) as ear:
        assert ear.status == 204


def test_an_end_that_was_missed_is_told(api: Api, store: Store) -> None:
    job = completed(store)
    with listening(api, _events(job), last_id=str(store.events.last(job.id) - 1)) as ear:
        assert _types(ear.rest()) == ["job.completed", "end"]


def test_a_job_that_is_retried_goes_on_after_the_end(api: Api, store: Store) -> None:
    job = completed(store)
    with listening(api, _events(job)) as ear:
        ear.rest()
        seen = ear.last_id
    store.control.retry(job.pk, store.clock())
    with listening(api, _events(job), last_id=seen) as ear:
        assert _types(ear.statuses(1)) == ["job.pending"]
        store.control.cancel(job.pk, store.clock())
        assert _types(ear.rest())[-2:] == ["job.cancelled", "end"]


def test_a_deleted_job_is_told_by_what_is_still_known(api: Api, store: Store) -> None:
    job = make(store)
    before = str(store.events.last())
    with listening(api, _events(job)) as ear:
        ear.hear()
        store.control.delete(job.pk, store.clock())
        heard = ear.rest()
    assert _types(heard) == ["job.deleted", "end"]
    assert heard[0].job == {
        "id": job.id,
        "type": "enrichment",
        "status": "pending",
        "pause_reason": None,
        "deleted": True,
    }
    with listening(api, _events(job), last_id=before) as ear:
        assert _types(ear.rest()) == ["job.deleted", "end"]
    with listening(api, _events(job), last_id=heard[0].id) as ear:
        assert ear.status == 204
    assert api.get(_events(job)).code == "not_found"


def test_an_unknown_job_or_number_is_refused(api: Api, store: Store) -> None:
    assert api.get("/v1/jobs/job_nothere/events").code == "not_found"
    assert api.get("/v1/jobs/job_nothere/events", headers={"Last-Event-ID": "3"}).code == "not_found"
    assert api.get(_events(make(store)), headers={"Last-Event-ID": "x"}).code == "invalid_request"
    assert api.get("/v1/events", last_event_id="-1").code == "invalid_request"
    assert api.get("/v1/events", type="chore").code == "invalid_request"


def test_all_jobs_are_told_one_after_the_other_and_their_ends_are_none(api: Api, store: Store) -> None:
    with listening(api) as ear:
        first, second = make(store), make(store)
        store.control.cancel(first.pk, store.clock())
        store.control.pause(second.pk, store.clock())
        told = ear.statuses(len(store.events.after(0, 100)))
    assert [(event.id, event.type, event.job["id"]) for event in told] == [
        (str(event.seq), event.type, event.job) for event in store.events.after(0, 100)
    ]


def test_all_jobs_that_go_on_are_shown_first(api: Api, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "_PAGE", 2)
    going_on = [make(store) for _ in range(7)]
    begin(store, going_on[0])
    store.control.pause(going_on[1].pk, store.clock())
    completed(store)
    with listening(api) as ear:
        heard = [event for _ in going_on if (event := ear.hear())]
        make(store)
        assert ear.until("job.created")[0].type == "job.created"
    assert sorted(event.job["id"] for event in heard) == sorted(job.id for job in going_on)


def test_jobs_of_one_type_are_told_alone(api: Api, store: Store) -> None:
    make(store)
    with listening(api, type="export") as ear:
        make(store)
        make(store, type=JobType.EXPORT)
        told = ear.hear()
        assert told
        assert (told.type, told.job["type"]) == ("job.created", "export")


def test_a_listener_needs_a_token_that_may_read(guarded: Api, token: Callable[[Access], str], store: Store) -> None:
    job = make(store)
    assert guarded.with_token(None).get(_events(job)).code == "unauthorized"
    assert guarded.with_token("wrong").get("/v1/events").code == "unauthorized"
    with listening(guarded.with_token(token(Access.READ)), _events(job)) as ear:
        assert ear.hear()


def test_a_token_that_is_taken_back_ends_its_streams(app: FastAPI, guarded: Api, store: Store) -> None:
    app.state.hub = Hub(store, every=0.02, heartbeat=0.1)
    known, clear = tokens.create(store, "page", Access.READ)
    job = make(store)
    with listening(guarded.with_token(clear), _events(job)) as ear, listening(guarded, _events(job)) as other:
        ear.ping_after_first()
        tokens.revoke(store, known.id)
        assert ear.rest() == []
        other.ping_after_first()


def test_the_first_token_ends_the_streams_that_had_none(app: FastAPI, api: Api, store: Store) -> None:
    app.state.hub = Hub(store, every=0.02, heartbeat=0.1)
    with listening(api, _events(make(store))) as ear:
        ear.ping_after_first()
        tokens.create(store, "page", Access.READ)
        assert ear.rest() == []


def test_a_server_that_stops_ends_all_streams_at_once(api: Api, store: Store, hub: Hub) -> None:
    job = make(store)
    with listening(api, _events(job)) as one, listening(api) as all_:
        one.hear(), all_.hear()
        hub.stop()
        assert one.rest() == all_.rest() == []
    with listening(api) as late:
        assert "end" not in _types(late.rest())
