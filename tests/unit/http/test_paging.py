"""Cursors, and pages that stay right while what they show changes."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowmill.http.paging import Pager
from rowmill.http.problems import ApiError
from rowmill.ledger.store import Store
from rowmill.shapes.base import Page
from tests.support.made import begin, make, settle, start
from tests.support.serving import Api


def _page(pager: Pager, items: list[int], limit: int, cursor: str | None = None) -> Page[Any]:
    after = pager.after(cursor, 0)
    return pager.page([n for n in items if n > after][: limit + 1], limit, lambda n: n, lambda n: n)


def _forged(pager: Pager, position: object) -> str:
    """A cursor of this list with a position of one's own."""
    known = _page(pager, [1, 2], 1).next_cursor
    assert known
    check, _ = orjson.loads(base64.urlsafe_b64decode(known + "=="))
    return base64.urlsafe_b64encode(orjson.dumps([check, position])).rstrip(b"=").decode()


def test_the_last_page_has_no_cursor() -> None:
    pager = Pager("numbers")
    first = _page(pager, [1, 2, 3], 2)
    assert (first.data, first.has_more) == ([1, 2], True)
    last = _page(pager, [1, 2, 3], 2, first.next_cursor)
    assert (last.data, last.has_more, last.next_cursor) == ([3], False, None)


def test_a_full_last_page_has_no_cursor() -> None:
    page = _page(Pager("numbers"), [1, 2], 2)
    assert (page.data, page.has_more, page.next_cursor) == ([1, 2], False, None)


@pytest.mark.parametrize("other", [Pager("letters"), Pager("numbers", "failed"), Pager()])
def test_a_cursor_of_another_list_or_filter_is_refused(other: Pager) -> None:
    cursor = _page(Pager("numbers", None), [1, 2], 1).next_cursor
    with pytest.raises(ApiError) as refused:
        other.after(cursor, 0)
    assert refused.value.code == "invalid_cursor"


@pytest.mark.parametrize("position", ["1", True, None, 1.5, [1], {"a": 1}, 1 << 63])
def test_a_forged_position_is_refused(position: object) -> None:
    pager = Pager("numbers")
    with pytest.raises(ApiError):
        pager.after(_forged(pager, position), 0)


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=1, max_size=60))
def test_whatever_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ApiError):
        Pager("numbers").after(cursor, 0)


def test_a_cursor_tells_nothing_and_fits_into_a_url(api: Api, store: Store) -> None:
    for _ in range(2):
        make(store)
    cursor = api.get("/v1/jobs", limit=1).json["next_cursor"]
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert api.get(f"/v1/jobs?limit=1&cursor={cursor}").json["has_more"] is False


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"cursor": ""}, {"cursor": "a b"}])
def test_a_wrong_limit_or_cursor_is_named(api: Api, query: dict[str, Any]) -> None:
    answer = api.get("/v1/jobs", **query)
    assert answer.code == "invalid_request"
    assert [error["field"] for error in answer.json["errors"]] == list(query)


def test_a_cursor_of_another_filter_is_refused_over_http(api: Api, store: Store) -> None:
    for _ in range(2):
        make(store)
    cursor = api.get("/v1/jobs", limit=1).json["next_cursor"]
    assert api.get("/v1/jobs", cursor=cursor, status="pending").code == "invalid_cursor"
    assert api.get("/v1/jobs", cursor=cursor, type="import").code == "invalid_cursor"
    assert api.get("/v1/workers", cursor=cursor).code == "invalid_cursor"


def test_a_cursor_of_another_jobs_rows_is_refused(api: Api, store: Store) -> None:
    one, other = make(store, rows=2), make(store, rows=2)
    cursor = api.get(f"/v1/jobs/{one.id}/rows", limit=1).json["next_cursor"]
    assert api.get(f"/v1/jobs/{other.id}/rows", cursor=cursor).code == "invalid_cursor"
    assert api.get(f"/v1/jobs/{one.id}/rows", cursor=cursor, status="pending").code == "invalid_cursor"
    assert [row["number"] for row in api.get(f"/v1/jobs/{one.id}/rows", cursor=cursor).json["data"]] == [2]


_MOVES = st.lists(st.tuples(st.sampled_from(["page", "add", "delete", "pause"]), st.integers(0, 99)), max_size=14)


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=_MOVES, limit=st.integers(1, 3), status=st.sampled_from([None, "pending"]))
def test_pages_of_jobs_are_right_while_jobs_come_go_and_change(
    api: Api, store: Store, moves: list[tuple[str, int]], limit: int, status: str | None
) -> None:
    for job in store.browse.jobs():
        store.control.delete(job.pk, store.clock())
    there = [make(store, 1) for _ in range(7)]
    stayed = {job.id for job in there}  # and kept their status
    shown: list[str] = []
    cursor: str | None = ""
    for move, which in [*moves, *[("page", 0)] * 22]:  # a page each for what is there and what may be added
        job = there[which % len(there)]
        match move:
            case "page" if cursor is not None:
                page = api.get("/v1/jobs", limit=limit, status=status, cursor=cursor or None).json
                shown += [found["id"] for found in page["data"]]
                cursor = page["next_cursor"]
            case "add":
                there.append(make(store, 1))
            case "delete" if len(there) > 1:
                there.remove(job)
                store.control.delete(job.pk, store.clock())
                stayed.discard(job.id)
            case "pause":
                store.control.pause(job.pk, store.clock())
                if status:
                    stayed.discard(job.id)
    assert cursor is None
    assert len(shown) == len(set(shown))
    assert stayed <= set(shown)


_ROW_MOVES = st.lists(st.sampled_from(["page", "start", "succeed", "fail"]), max_size=16)


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=_ROW_MOVES, limit=st.integers(1, 3), status=st.sampled_from([None, "failed", "succeeded", "pending"]))
def test_pages_of_rows_are_right_while_the_rows_are_worked(
    api: Api, store: Store, moves: list[str], limit: int, status: str | None
) -> None:
    job = make(store, 9)
    claim = begin(store, job)
    started = start(store, claim, 4)
    settle(store, claim, {1: "good", 2: None, 3: "good"})
    running = started[3:]
    was = {1: "succeeded", 2: "failed", 3: "succeeded", **dict.fromkeys(range(5, 10), "pending")}
    stayed = {number for number in range(1, 10) if status in (None, was.get(number))}
    shown: list[int] = []
    cursor: str | None = ""
    for move in [*moves, *["page"] * 10]:
        match move:
            case "page" if cursor is not None:
                page = api.get(f"/v1/jobs/{job.id}/rows", limit=limit, status=status, cursor=cursor or None).json
                shown += [row["number"] for row in page["data"]]
                cursor = page["next_cursor"]
            case "start" if started[-1] < 9:
                started += start(store, claim, 1)
                running.append(started[-1])
                stayed -= {started[-1]} if status else set()
            case "succeed" | "fail" if running:
                settle(store, claim, {running.pop(0): "good" if move == "succeed" else None})
    assert cursor is None
    assert shown == sorted(set(shown))
    assert stayed <= set(shown)
