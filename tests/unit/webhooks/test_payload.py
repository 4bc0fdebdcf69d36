from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson

from rowmill.core.status import PauseReason
from rowmill.ledger.events import Event
from rowmill.ledger.store import Store
from rowmill.shapes.jobs import JobSummary
from rowmill.webhooks.payload import payload_of, payload_of_test
from tests.support.work import complete, make


def _told(store: Store, event: Event) -> Any:
    return orjson.loads(payload_of(store, event))


def test_an_event_is_told_with_its_job_as_it_stands(store: Store, engine: str, reviews: Path) -> None:
    job = complete(store, engine, make(store, engine, reviews), {1: "good", 2: None, 3: "good", 4: "bad"})
    created, *_, completed = store.events.after(0, 10)
    told = _told(store, completed)
    assert told.keys() == {"type", "timestamp", "data"}
    assert told["type"] == "job.completed"
    assert told["timestamp"].endswith("Z")
    data = told["data"]
    assert data.keys() == {field.name for field in fields(JobSummary)}
    assert (data["id"], data["status"]) == (job.id, "completed")
    assert (data["total"], data["processed"], data["succeeded"], data["failed"]) == (4, 4, 3, 1)
    assert data["error"] is None
    assert data["metadata"] == {}
    earlier = _told(store, created)
    assert (earlier["type"], earlier["data"]["status"]) == ("job.created", "pending")
    assert earlier["data"]["succeeded"] == 3


def test_a_status_is_told_that_the_job_has_left_since(store: Store, engine: str, reviews: Path) -> None:
    job = make(store, engine, reviews)
    store.control.pause(job.pk, store.clock(), PauseReason.BUDGET)
    store.control.resume(job.pk, store.clock())
    paused, pending = (_told(store, event)["data"] for event in store.events.after(0, 10)[1:])
    assert (paused["status"], paused["pause_reason"]) == ("paused", "budget")
    assert (pending["status"], pending["pause_reason"]) == ("pending", None)


def test_a_job_that_is_gone_is_told_as_its_event_knew_it(store: Store, engine: str, reviews: Path) -> None:
    job = make(store, engine, reviews)
    store.control.cancel(job.pk, store.clock())
    store.control.delete(job.pk, store.clock())
    events = store.events.after(0, 10)
    assert [event.type for event in events] == ["job.created", "job.cancelled", "job.deleted"]
    for event, status in zip(events, ["pending", "cancelled", "cancelled"], strict=True):
        assert _told(store, event)["data"] == {
            "id": job.id,
            "type": "enrichment",
            "status": status,
            "pause_reason": None,
            "deleted": True,
        }


def test_what_a_job_was_given_to_work_with_is_not_told(store: Store, engine: str, reviews: Path) -> None:
    make(store, engine, reviews)
    text = payload_of(store, store.events.after(0, 1)[0])
    assert "reviews:judge" not in text
    assert str(reviews) not in text


def test_a_test_names_its_webhook() -> None:
    assert orjson.loads(payload_of_test("whk_1", 0.0)) == {
        "type": "webhook.test",
        "timestamp": "1970-01-01T00:00:00.000Z",
        "data": {"webhook": "whk_1"},
    }
