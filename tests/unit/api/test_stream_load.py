"""Streams that are busy, idle or stuck, and what comes at a bad moment."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from rowmill.api.live.hub import Hub, Watcher
from rowmill.api.live.stream import EventStream
from rowmill.core.job import Job
from rowmill.ledger.events import Event
from rowmill.ledger.store import Store
from tests.support.deadline import DEADLINE
from tests.support.listening import Heard, listening
from tests.support.made import begin, make, settle, start
from tests.support.serving import Api


@pytest.fixture(autouse=True)
def hub(store: Store) -> Hub:
    """Brisk, so that tests need not wait."""
    return Hub(store, every=0.02)


def _events(job: Job) -> str:
    return f"/v1/jobs/{job.id}/events"


def _types(heard: list[Heard]) -> list[str]:
    return [event.type for event in heard]


def _eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_progress_is_told_no_more_often_than_the_hub_looks(app: FastAPI, api: Api, store: Store) -> None:
    app.state.hub = Hub(store, every=0.25)
    job = make(store, rows=60)
    claim = begin(store, job)
    numbers = start(store, claim)
    with listening(api, _events(job)) as ear:
        ear.hear()
        began = time.monotonic()
        for number in numbers:
            settle(store, claim, {number: "good"})
        heard: list[Heard] = []
        while not heard or heard[-1].job["processed"] < len(numbers):
            heard += ear.until("job.progress")
        took = time.monotonic() - began
    assert len(heard) <= took / 0.25 + 1
    counts = [event.job["processed"] for event in heard]
    assert counts == sorted(set(counts))


def test_nothing_is_told_while_nothing_changes_but_that_the_server_lives(app: FastAPI, api: Api, store: Store) -> None:
    app.state.hub = Hub(store, every=0.02, heartbeat=0.1)
    job = make(store)
    begin(store, job)
    with listening(api, _events(job)) as one, listening(api) as all_:
        for ear in (one, all_):
            ear.hear()
            for _ in range(12):  # more than the second after which the store is read in any case
                ear.ping()


def test_the_store_is_looked_at_only_while_somebody_listens(
    api: Api, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    look = store.database.data_version

    def noted() -> int:
        looks.append(time.monotonic())
        return look()

    monkeypatch.setattr(store.database, "data_version", noted)
    with listening(api, _events(make(store))) as ear:
        ear.hear()
        _eventually(lambda: len(looks) > 5)
    _eventually(lambda: time.monotonic() - looks[-1] > 0.3)
    with listening(api) as ear:
        make(store)
        assert _types(ear.statuses(1)) == ["job.created"]


def test_a_listener_that_does_not_read_holds_up_nobody_and_misses_no_status(
    app: FastAPI, api: Api, store: Store
) -> None:
    app.state.hub = Hub(store, every=0.02, backlog=4)
    note = {f"note {number}": "n" * 2000 for number in range(50)}
    job = make(store, metadata=note)
    with listening(api, _events(job)) as slow, listening(api, _events(job)) as quick:
        slow.hear(), quick.hear()
        for _ in range(40):  # 8 MB, more than lies between two sockets
            store.control.pause(job.pk, store.clock())
            store.control.resume(job.pk, store.clock())
            assert _types(quick.statuses(2)) == ["job.paused", "job.pending"]
        told = [event for event in slow.rest() if event.id]
        assert len(told) < 80
    with listening(api, _events(job), last_id=slow.last_id) as slow:
        told += slow.statuses(80 - len(told))
    assert [int(event.id) for event in told] == [event.seq for event in store.events.after(0, 100)][-80:]


def test_a_status_that_comes_while_a_listener_reads_what_it_missed_is_not_lost(
    api: Api, store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make(store)
    read = store.events.after

    def interrupted(seq: int, limit: int, of: str | None = None) -> list[Event]:
        found = read(seq, limit, of)
        if of and len(found) == 1:  # it is the listener, for the first time
            store.control.pause(job.pk, store.clock())
            _eventually(lambda: hub.seq == store.events.last())
        return found

    monkeypatch.setattr(store.events, "after", interrupted)
    with listening(api, _events(job), last_id="0") as ear:
        assert _types(ear.statuses(2)) == ["job.created", "job.paused"]


def test_a_job_that_ends_while_a_listener_connects_is_told_to_have_ended(
    app: FastAPI, api: Api, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.state.hub = Hub(store, every=0.3)
    job = make(store)
    looked = threading.Event()
    look, show = Watcher.look, EventStream._the_job

    def noted(watcher: Watcher, *args: Any, **more: Any) -> Any:
        found = look(watcher, *args, **more)
        looked.set()
        return found

    def too_late(stream: EventStream, id_: str) -> bytes:
        """The stream has its number already, and the hub looks again only in a while."""
        assert looked.wait(DEADLINE)
        store.control.cancel(job.pk, store.clock())
        return show(stream, id_)

    monkeypatch.setattr(Watcher, "look", noted)
    monkeypatch.setattr(EventStream, "_the_job", too_late)
    with listening(api, _events(job)) as ear:
        assert _types(ear.rest()) == ["job.progress", "job.cancelled", "end"]
