"""HEAD, which is answered as GET would be, but for the content."""

from collections.abc import Mapping

import pytest

from rowmill.ledger.store import Store
from tests.support.made import completed
from tests.support.serving import Api

VARYING = {"date"}


def telling(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() not in VARYING}


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/openapi.json", "/v1/jobs", "/v1/limits", "/v1/jobs/job_none"]
)
def test_it_is_answered_as_get_without_the_content(api: Api, path: str) -> None:
    asked, got = api.request("HEAD", path), api.get(path)
    assert (asked.status, asked.content) == (got.status, b"")
    assert telling(asked.headers) == telling(got.headers)


def test_it_tells_of_a_download_how_large_it_is(api: Api) -> None:
    file = api.post("/v1/files", b"id\n1\n", name="a.csv").json["id"]
    asked = api.request("HEAD", f"/v1/files/{file}/content")
    assert (asked.status, asked.content, asked.headers["Content-Length"]) == (200, b"", "5")
    ranged = api.request("HEAD", f"/v1/files/{file}/content", headers={"Range": "bytes=1-2"})
    assert (ranged.status, ranged.headers["Content-Range"]) == (206, "bytes 1-2/5")


def test_what_is_streamed_ends_with_its_head(api: Api, store: Store) -> None:
    job = completed(store)
    results, events = f"/v1/jobs/{job.id}/results", "/v1/events"
    for path, kind in ((results, "text/csv; charset=utf-8"), (events, "text/event-stream; charset=utf-8")):
        asked = api.request("HEAD", path)
        assert (asked.status, asked.content, asked.headers["Content-Type"]) == (200, b"", kind)


def test_where_there_is_no_get_there_is_no_head(api: Api) -> None:
    asked = api.request("HEAD", "/v1/jobs/job_none/pause")
    assert (asked.status, asked.headers["Allow"]) == (405, "POST")
