import logging
import time
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rowmill.core.access import Access
from rowmill.ledger.store import Store
from tests.support.deadline import DEADLINE
from tests.support.made import PRICE, begin, completed, make
from tests.support.serving import Api

Figures = dict[tuple[str, ...], float]


def _figures(api: Api) -> Figures:
    """Every figure by its name and the values of its labels, in the order of their names."""
    answer = api.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_jobs_are_counted_by_type_and_status(api: Api, store: Store) -> None:
    completed(store), completed(store), make(store)
    figures = _figures(api)
    assert figures["rowmill_jobs", "completed", "enrichment"] == 2
    assert figures["rowmill_jobs", "pending", "enrichment"] == 1
    jobs = {key: value for key, value in figures.items() if key[0] == "rowmill_jobs"}
    assert len(jobs) == 3 * 6
    assert sum(jobs.values()) == 3


def test_what_was_used_outlives_its_job(api: Api, store: Store) -> None:
    job = completed(store, ["good", "bad", None], price=PRICE)
    used = {
        "rowmill_rows_total": 3,
        "rowmill_attempts_total": 3,
        "rowmill_tokens_in_total": 30,
        "rowmill_tokens_out_total": 4,
        "rowmill_cost_dollars_total": 0.000038,
    }
    assert {name: _figures(api)[name,] for name in used} == pytest.approx(used)
    assert api.delete(f"/v1/jobs/{job.id}").status == 204
    assert {name: _figures(api)[name,] for name in used} == pytest.approx(used)


def test_workers_are_those_that_are_alive(api: Api, store: Store) -> None:
    assert _figures(api)["rowmill_workers",] == 0
    alive, dead = store.join(), store.join()
    begin(store, make(store), dead)
    store.presence.deregister(dead)
    assert _figures(api)["rowmill_workers",] == _alive(api)
    store.leave(alive)
    assert _figures(api)["rowmill_workers",] == _alive(api)


def _alive(api: Api) -> int:
    return sum(worker["alive"] for worker in api.every("/v1/workers"))


def test_answers_are_timed_by_route_not_by_path(api: Api, store: Store) -> None:
    for job in (make(store), make(store)):
        api.get(f"/v1/jobs/{job.id}")
    api.get("/v1/jobs/job_0")
    api.get("/v1/some/where")
    api.post("/v1/jobs", {})
    figures = _figures(api)
    count = "rowmill_http_request_duration_seconds_count"
    assert figures[count, "GET", "/v1/jobs/{job_id}", "200"] == 2
    assert figures[count, "GET", "/v1/jobs/{job_id}", "404"] == 1
    assert figures[count, "GET", "none", "404"] == 1
    assert figures[count, "POST", "/v1/jobs", "422"] == 1
    assert not [key for key in figures if any("job_0" in word for word in key)]


def test_a_refused_stranger_is_counted_without_a_route(api: Api) -> None:
    api.get("/v1/jobs", headers={"Host": "evil.example"})
    assert _figures(api)["rowmill_http_request_duration_seconds_count", "GET", "none", "421"] == 1


def test_figures_need_a_token_once_there_is_one(guarded: Api, token: Callable[[Access], str]) -> None:
    assert guarded.with_token(None).get("/metrics").code == "unauthorized"
    assert guarded.with_token(token(Access.READ)).get("/metrics").status == 200


def _logged(caplog: pytest.LogCaptureFixture, lines: int) -> list[dict[str, object]]:
    """So many lines about requests, which are written when the answers have gone out."""
    names = ("method", "path", "status", "job", "row")
    until = time.monotonic() + DEADLINE
    while len(records := [record for record in caplog.records if record.name == "rowmill.http"]) < lines:
        assert time.monotonic() < until
        time.sleep(0.01)
    return [{name: getattr(record, name) for name in names if hasattr(record, name)} for record in records]


def test_changes_are_logged_with_their_job(api: Api, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    job = make(store)
    with caplog.at_level(logging.INFO):
        api.get(f"/v1/jobs/{job.id}")
        api.post(f"/v1/jobs/{job.id}/pause")
        logged = _logged(caplog, 1)
    assert logged == [{"method": "POST", "path": f"/v1/jobs/{job.id}/pause", "status": 200, "job": job.id}]


def test_reads_are_logged_for_whoever_asks_for_details(
    api: Api, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    job = make(store)
    with caplog.at_level(logging.DEBUG, "rowmill.http"):
        api.get(f"/v1/jobs/{job.id}/rows/2")
        [line] = _logged(caplog, 1)
    assert line == {"method": "GET", "path": f"/v1/jobs/{job.id}/rows/2", "status": 200, "job": job.id, "row": "2"}


def test_neither_tokens_nor_queries_are_logged(guarded: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        guarded.get("/v1/jobs", limit=7)
        guarded.post("/v1/jobs", {"name": "quite private"})
        assert len(_logged(caplog, 2)) == 2
    told = "\n".join(str(vars(record)) for record in caplog.records if record.name.startswith("rowmill"))
    assert guarded.token
    assert [word for word in (guarded.token, "limit=7", "quite private") if word in told] == []
