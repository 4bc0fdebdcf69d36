import threading

import pytest

from rowmill.http.etags import check, etag_of
from rowmill.http.problems import ApiError
from rowmill.ledger.store import Store
from tests.support.made import make
from tests.support.serving import Api

OTHER = '"0123456789abcdef"'


def test_an_etag_is_quoted_and_differs_with_what_can_be_changed() -> None:
    assert etag_of("a", {"b": 1, "c": 2}) == etag_of("a", {"c": 2, "b": 1})
    assert len({etag_of("a"), etag_of("b"), etag_of("a", None), etag_of(["a"])}) == 4
    assert etag_of("a").startswith('"') and etag_of("a").endswith('"')  # noqa: PT018 - one quoted string


@pytest.mark.parametrize("given", [None, "*", " * ", '"mine"', f'{OTHER}, "mine"', f'"mine" ,{OTHER}', 'W/"x", "mine"'])
def test_whoever_knows_the_version_or_does_not_care_may_change(given: str | None) -> None:
    check(given, '"mine"')


@pytest.mark.parametrize("given", [OTHER, 'W/"mine"', f'W/"mine", {OTHER}'])
def test_another_version_or_a_weak_one_is_refused(given: str) -> None:
    with pytest.raises(ApiError) as refused:
        check(given, '"mine"')
    assert refused.value.code == "precondition_failed"


@pytest.mark.parametrize("given", ["", "mine", "**", '"mine', '"a", b'])
def test_what_is_no_etag_is_not_taken_for_an_old_one(given: str) -> None:
    with pytest.raises(ApiError) as refused:
        check(given, '"mine"')
    assert refused.value.code == "invalid_request"


def test_a_lost_update_is_refused(api: Api, store: Store) -> None:
    path = f"/v1/jobs/{make(store).id}"
    seen = api.get(path).headers["ETag"]
    mine = api.patch(path, {"name": "mine"}, headers={"If-Match": seen})
    assert (mine.status, mine.json["name"]) == (200, "mine")
    yours = api.patch(path, {"name": "yours"}, headers={"If-Match": seen})
    assert (yours.status, yours.code) == (412, "precondition_failed")
    again = api.patch(path, {"name": "yours"}, headers={"If-Match": mine.headers["ETag"]})
    assert (again.status, api.get(path).json["name"]) == (200, "yours")
    assert api.get(path).headers["ETag"] == again.headers["ETag"]


def test_without_if_match_and_with_a_star_whatever_is_there_is_changed(api: Api, store: Store) -> None:
    path = f"/v1/jobs/{make(store).id}"
    assert api.patch(path, {"name": "a"}).status == 200
    assert api.patch(path, {"name": "b"}, headers={"If-Match": "*"}).status == 200


def test_progress_is_no_new_version(api: Api, store: Store) -> None:
    job = make(store)
    before = api.get(f"/v1/jobs/{job.id}").headers["ETag"]
    store.control.pause(job.pk, store.clock())
    assert api.get(f"/v1/jobs/{job.id}").headers["ETag"] == before


@pytest.mark.parametrize("change", [{"name": "other"}, {"metadata": {"a": "b"}}, {"concurrency": 9}, {"rpm": 5}])
def test_each_change_is_a_new_version(api: Api, store: Store, change: dict[str, object]) -> None:
    path = f"/v1/jobs/{make(store).id}"
    before = api.get(path).headers["ETag"]
    after = api.patch(path, change).headers["ETag"]
    assert before != after == api.get(path).headers["ETag"]


def test_of_many_who_change_the_same_version_at_once_one_succeeds(api: Api, store: Store) -> None:
    path = f"/v1/jobs/{make(store).id}"
    seen = api.get(path).headers["ETag"]
    together = threading.Barrier(8)
    statuses: list[int] = []

    def change(number: int) -> None:
        together.wait()
        answer = api.patch(path, {"name": f"number {number}"}, headers={"If-Match": seen})
        statuses.append(answer.status)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [412] * 7


def test_a_job_that_was_changed_is_not_deleted(api: Api, store: Store) -> None:
    path = f"/v1/jobs/{make(store).id}"
    seen = api.get(path).headers["ETag"]
    api.patch(path, {"name": "other"})
    assert api.delete(path, headers={"If-Match": seen}).code == "precondition_failed"
    assert api.delete(path, headers={"If-Match": api.get(path).headers["ETag"]}).status == 204
