import os

import pytest

from rowmill.core.errors import StoreError
from rowmill.http.context import Context
from rowmill.ledger.store import Store
from rowmill.worker.worker import Worker
from tests.support.made import begin, make
from tests.support.serving import Api


def test_the_process_answers(api: Api) -> None:
    assert (api.get("/healthz").status, api.get("/healthz").json) == (200, {"status": "ok"})


def test_it_is_ready_as_long_as_its_worker_lives(api: Api, context: Context) -> None:
    assert api.get("/readyz").json == {"status": "ok"}
    context.working = lambda: False
    assert (api.get("/readyz").status, api.get("/readyz").code) == (503, "unavailable")
    assert api.get("/healthz").status == 200


def test_it_is_not_ready_while_the_store_cannot_be_read(
    api: Api, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise StoreError("The store could not be read.", "Look at the disk.")

    monkeypatch.setattr(store.events, "last", fail)
    assert (api.get("/readyz").status, api.get("/readyz").code) == (503, "store")
    assert api.get("/healthz").status == 200


def test_a_server_that_works_nothing_is_no_worker(api: Api) -> None:
    assert api.every("/v1/workers") == []


def test_the_worker_of_the_server_is_listed(api: Api, worker: Worker, store: Store) -> None:
    while not (listed := api.every("/v1/workers")):
        pass
    [found] = listed
    assert (found["pid"], found["alive"], found["jobs"]) == (os.getpid(), True, [])
    assert found["joined_at"].endswith("Z")


def test_workers_are_listed_page_by_page_with_their_jobs(api: Api, store: Store) -> None:
    engines = [store.join() for _ in range(5)]
    job = make(store)
    begin(store, job, engines[0])
    store.presence.deregister(engines[0])
    listed = {found["id"]: found for found in api.every("/v1/workers", limit=2)}
    assert listed.keys() >= set(engines)
    assert (listed[engines[0]]["jobs"], listed[engines[0]]["alive"]) == ([job.id], False)
    assert all(listed[engine]["alive"] and not listed[engine]["jobs"] for engine in engines[1:])


def test_an_idle_worker_that_was_killed_is_forgotten(api: Api, store: Store) -> None:
    killed = store.join()
    store.presence.deregister(killed)
    there = store.join()
    assert [found["id"] for found in api.every("/v1/workers")] == [there]
