from collections.abc import Callable
from decimal import Decimal
from typing import Any

from rowmill.core.access import Access
from rowmill.ledger.store import Store
from rowmill.ledger.usage import day_of
from rowmill.usage.limits import set_limits
from tests.support.made import completed
from tests.support.serving import Api

NONE = {"rows_per_month": None, "usd_per_month": None}


def test_limits_are_shown_with_what_is_used_of_them(api: Api, store: Store) -> None:
    completed(store)
    set_limits(store, rows_per_month=10)
    shown = api.get("/v1/limits")
    assert (shown.status, shown.headers["ETag"] != "") == (200, True)
    assert (shown.json["rows_per_month"], shown.json["rows_used"], shown.json["rows_left"]) == (10, 3, 7)
    assert (shown.json["usd_per_month"], shown.json["usd_left"]) == (None, None)


def test_limits_are_set_and_removed_together(api: Api, store: Store) -> None:
    put = api.put("/v1/limits", {"rows_per_month": 5, "usd_per_month": 2.5})
    assert (put.status, put.json["rows_per_month"], put.json["usd_per_month"]) == (200, 5, 2.5)
    assert api.put("/v1/limits", {"rows_per_month": 5, "usd_per_month": 3}).json["usd_per_month"] == 3
    assert api.put("/v1/limits", NONE).json["usd_per_month"] is None
    assert not store.usage.limits()


def test_what_is_no_limit_is_refused(api: Api) -> None:
    bodies: list[Any] = [{}, {"rows_per_month": 5}, NONE | {"rows_per_month": -1}, NONE | {"usd_per_month": "1"}]
    for body in [*bodies, NONE | {"rows_per_month": 1.5}, NONE | {"days": 1}]:
        assert api.put("/v1/limits", body).code == "invalid_request"


def test_limits_that_somebody_has_changed_meanwhile_stay(api: Api, store: Store) -> None:
    seen = api.get("/v1/limits").headers["ETag"]
    set_limits(store, usd_per_month=Decimal(7))
    late = api.put("/v1/limits", NONE, headers={"If-Match": seen})
    assert late.code == "precondition_failed"
    now = api.get("/v1/limits").headers["ETag"]
    put = api.put("/v1/limits", NONE, headers={"If-Match": now})
    assert (put.status, put.headers["ETag"]) == (200, seen)


def test_only_an_administrator_sets_limits(guarded: Api, token: Callable[[Access], str]) -> None:
    runner = guarded.with_token(token(Access.RUN))
    assert runner.get("/v1/limits").status == 200
    assert runner.put("/v1/limits", NONE).code == "forbidden"
    assert guarded.put("/v1/limits", NONE).status == 200


def test_usage_is_added_up_as_asked(api: Api, store: Store) -> None:
    jobs = [completed(store) for _ in range(3)]
    today = day_of(store.clock())
    (day,) = api.every("/v1/usage")
    assert (day["day"], day["model"], day["job"], day["rows"], day["attempts"]) == (today, None, None, 9, 9)
    (model,) = api.every("/v1/usage", by="model")
    assert (model["model"], model["tokens_in"]) == ("python", 90)
    by_job = api.every("/v1/usage", by="job", limit=2)
    assert [each["job"] for each in by_job] == sorted(job.id for job in jobs)
    assert {each["rows"] for each in by_job} == {3}


def test_usage_is_of_the_days_that_are_asked_for(api: Api, store: Store) -> None:
    completed(store)
    assert api.every("/v1/usage", **{"from": "2020-01-01", "to": "2020-12-31"}) == []
    assert len(api.every("/v1/usage", **{"from": "2020-01-01"})) == 1
    assert api.get("/v1/usage", to="yesterday").code == "invalid_request"
    assert api.get("/v1/usage", by="hour").code == "invalid_request"
    cursor = api.get("/v1/usage", by="job", cursor="bm9uZQ")
    assert cursor.code == "invalid_cursor"
