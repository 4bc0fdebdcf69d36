"""Uploads and downloads over real HTTP."""

import fcntl
import hashlib
import resource
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from rowmill.core.access import Access
from rowmill.files.service import Upload, sweep_unfinished
from rowmill.http.context import Context
from rowmill.http.request_guard import RequestLimits
from rowmill.ledger.store import Store
from tests.support.deadline import DEADLINE
from tests.support.serving import Answer, Api

TABLE = b"id,text\n1,good\n2,bad\n"


def upload(
    api: Api, content: bytes = TABLE, name: str | None = "reviews.csv", headers: Mapping[str, str] | None = None
) -> Answer:
    return api.post("/v1/files", content, headers=headers, name=name)


def form(*parts: tuple[str, bytes]) -> tuple[bytes, str]:
    """A form of these parts: what stands in Content-Disposition, and the content."""
    lines = [b"--x\r\nContent-Disposition: form-data; " + told.encode() + b"\r\n\r\n" + body for told, body in parts]
    return b"\r\n".join([*lines, b"--x--\r\n"]), "multipart/form-data; boundary=x"


def left(store: Store) -> list[str]:
    return sorted(path.name for path in store.uploads.iterdir()) if store.uploads.is_dir() else []


@pytest.fixture
def raw(api: Api) -> Iterator[socket.socket]:
    """A connection to the server, to speak HTTP over by hand."""
    with socket.create_connection(("127.0.0.1", urlsplit(api.url).port or 0), DEADLINE) as connection:
        yield connection


def test_a_body_becomes_a_file_with_its_name_size_and_digest(api: Api, store: Store) -> None:
    made = upload(api)
    assert made.status == 201
    file = made.json
    assert (file["name"], file["size"], file["job"]) == ("reviews.csv", len(TABLE), None)
    assert file["sha256"] == hashlib.sha256(TABLE).hexdigest()
    assert made.headers["Location"] == f"/v1/files/{file['id']}"
    assert api.get(f"/v1/files/{file['id']}").json == file
    assert left(store) == [file["id"]]
    assert (store.uploads / file["id"]).read_bytes() == TABLE


def test_a_form_with_one_file_becomes_that_file(api: Api, store: Store) -> None:
    content, kind = form(("name=note", b"for you"), ('name=file; filename="größe.csv"', TABLE))
    made = upload(api, content, None, headers={"Content-Type": kind})
    assert (made.json["name"], made.json["size"]) == ("größe.csv", len(TABLE))
    assert (store.uploads / made.json["id"]).read_bytes() == TABLE


def test_content_that_looks_like_the_end_of_a_form_is_content(api: Api, store: Store) -> None:
    tricky = b"\r\n--\r\n--xy\r\n-x--" * 40_000
    content, kind = form(('name=file; filename="a.csv"', tricky))
    made = upload(api, content, None, headers={"Content-Type": kind})
    assert (store.uploads / made.json["id"]).read_bytes() == tricky


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        form(("name=note", b"no file")),
        form(('name=a; filename="a.csv"', TABLE), ('name=b; filename="b.csv"', TABLE)),
        (form(('name=file; filename="a.csv"', TABLE))[0][:-9], "multipart/form-data; boundary=x"),
        (TABLE, "multipart/form-data; boundary=x"),
        (TABLE, "multipart/form-data"),
        (TABLE, f"multipart/form-data; boundary={'x' * 500}"),
        (b"", "text/csv"),
    ],
    ids=["none", "two", "cut off", "no form", "no boundary", "endless boundary", "empty"],
)
def test_what_is_no_file_is_refused_and_leaves_nothing(api: Api, store: Store, content: bytes, kind: str) -> None:
    assert upload(api, content, None, headers={"Content-Type": kind}).code == "invalid_request"
    assert left(store) == []
    assert api.get("/v1/files").json["data"] == []


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="shop/../../etc/passwd"', "passwd"),
        (r'attachment; filename="C:\\data\\a.csv"', "a.csv"),
        ("attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv", "größe.csv"),
        ('attachment; filename=".."', "upload"),
        ("inline", "upload"),
    ],
)
def test_a_name_from_the_header_is_no_path(api: Api, header: str, name: str) -> None:
    assert upload(api, name=None, headers={"Content-Disposition": header}).json["name"] == name


def test_an_upload_over_the_limit_leaves_nothing(api: Api, context: Context, store: Store) -> None:
    context.policy = replace(context.policy, max_upload=1_000_000)
    assert upload(api, b"x" * 1_000_001).code == "too_large"
    assert upload(api, b"x" * 1_000_000).status == 201
    assert len(left(store)) == 1


def test_an_upload_of_unknown_length_over_the_limit_leaves_nothing(
    api: Api, context: Context, store: Store, raw: socket.socket
) -> None:
    context.policy = replace(context.policy, max_upload=1000)
    raw.sendall(b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    raw.sendall(b"3e9\r\n" + b"x" * 1001 + b"\r\n")
    assert raw.recv(12) == b"HTTP/1.1 413"
    wait_for_nothing(store)


def wait_for_nothing(store: Store) -> None:
    """Until the server has seen that the client is gone: the lock of what it wrote is free then."""
    for name in left(store):
        with suppress(FileNotFoundError), (store.uploads / name).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
    assert left(store) == []


@pytest.mark.parametrize("length", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_a_client_that_goes_away_leaves_nothing(api: Api, store: Store, raw: socket.socket, length: str) -> None:
    raw.sendall(f"POST /v1/files HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
    raw.sendall((b"493e0\r\n" if "chunked" in length else b"") + b"x" * 300_000)
    until = time.monotonic() + DEADLINE
    while not left(store):
        assert time.monotonic() < until
        time.sleep(0.01)
    raw.close()
    wait_for_nothing(store)


@pytest.mark.parametrize("limits", [RequestLimits(body_timeout=0.05)])
def test_a_client_that_falls_silent_is_given_up(store: Store, raw: socket.socket) -> None:
    raw.sendall(b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nxxx")
    assert raw.recv(12) == b"HTTP/1.1 422"
    wait_for_nothing(store)


@pytest.mark.parametrize("limits", [RequestLimits(read_timeout=0.05)])
def test_a_client_that_does_not_read_on_is_given_up(api: Api, raw: socket.socket) -> None:
    file = upload(api, b"x" * 40_000_000).json
    raw.sendall(f"GET /v1/files/{file['id']}/content HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    time.sleep(0.5)  # nothing tells that it has come to this
    received = 0
    with suppress(ConnectionError):
        while piece := raw.recv(1 << 20):
            received += len(piece)
    assert received < 40_000_000


def test_a_full_disk_leaves_nothing(api: Api, store: Store) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, limits[1]))
    try:
        refused = upload(api, b"x" * 4_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (refused.status, refused.code) == (507, "disk_full")
    assert left(store) == []
    assert upload(api).status == 201


def test_the_same_upload_under_one_key_is_one_file(api: Api, store: Store) -> None:
    made = upload(api, headers={"Idempotency-Key": "one"})
    again = upload(api, headers={"Idempotency-Key": "one"})
    assert (again.status, again.json) == (201, made.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert upload(api, b"other", headers={"Idempotency-Key": "one"}).code == "idempotency_key_reused"
    assert left(store) == [made.json["id"]]


def test_an_upload_that_a_crash_kept_from_being_answered_is_found_again(api: Api, store: Store) -> None:
    made = upload(api, headers={"Idempotency-Key": "one"})
    with store.database.transaction() as tx:
        tx.execute("UPDATE requests SET answer = NULL")
    assert upload(api, headers={"Idempotency-Key": "one"}).json == made.json
    assert left(store) == [made.json["id"]]


def test_the_content_comes_back_with_a_safe_name_and_an_etag(api: Api) -> None:
    file = upload(api, name='näme".csv').json
    got = api.get(f"/v1/files/{file['id']}/content")
    assert got.content == TABLE
    assert got.headers["Content-Length"] == str(len(TABLE))
    assert got.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert got.headers["Content-Disposition"] == (
        "attachment; filename=\"n_me_.csv\"; filename*=UTF-8''n%C3%A4me%22.csv"
    )
    assert got.headers["ETag"] == f'"{file["sha256"]}"'
    etag = got.headers["ETag"]
    for seen in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        assert api.get(f"/v1/files/{file['id']}/content", headers={"If-None-Match": seen}).status == 304


def test_a_page_for_a_browser_is_served_as_bytes(api: Api) -> None:
    file = upload(api, b"<script>alert(1)</script>", name="page.html").json
    got = api.get(f"/v1/files/{file['id']}/content")
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("asked", "content", "told"),
    [
        ("bytes=0-6", TABLE[:7], f"bytes 0-6/{len(TABLE)}"),
        ("bytes=8-", TABLE[8:], f"bytes 8-{len(TABLE) - 1}/{len(TABLE)}"),
        ("bytes=-4", TABLE[-4:], f"bytes {len(TABLE) - 4}-{len(TABLE) - 1}/{len(TABLE)}"),
        ("bytes=3-9999", TABLE[3:], f"bytes 3-{len(TABLE) - 1}/{len(TABLE)}"),
    ],
)
def test_a_range_is_part_of_the_content(api: Api, asked: str, content: bytes, told: str) -> None:
    file = upload(api).json
    got = api.get(f"/v1/files/{file['id']}/content", headers={"Range": asked})
    assert (got.status, got.content, got.headers["Content-Range"]) == (206, content, told)


@pytest.mark.parametrize("asked", ["lines=1-2", "bytes=5-2", "bytes=-", "nonsense"])
def test_what_is_no_single_range_gets_all(api: Api, asked: str) -> None:
    file = upload(api).json
    got = api.get(f"/v1/files/{file['id']}/content", headers={"Range": asked})
    assert (got.status, got.content) == (200, TABLE)


def test_several_ranges_come_as_parts(api: Api) -> None:
    file = upload(api).json
    got = api.get(f"/v1/files/{file['id']}/content", headers={"Range": "bytes=0-1,4-5"})
    assert got.status == 206
    assert got.headers["Content-Type"].startswith("multipart/byteranges; boundary=")
    assert f"Content-Range: bytes 4-5/{len(TABLE)}".encode() in got.content


def test_a_range_of_another_content_gets_all(api: Api) -> None:
    file = upload(api).json
    got = api.get(f"/v1/files/{file['id']}/content", headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (got.status, got.content) == (200, TABLE)


@pytest.mark.parametrize("asked", [f"bytes={len(TABLE)}-", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(api: Api, asked: str) -> None:
    file = upload(api).json
    refused = api.get(f"/v1/files/{file['id']}/content", headers={"Range": asked})
    assert (refused.status, refused.code) == (416, "range_not_satisfiable")
    assert refused.headers["Content-Range"] == f"bytes */{len(TABLE)}"


def test_files_are_listed_newest_first_page_by_page(api: Api) -> None:
    made = [upload(api, name=f"{number}.csv").json for number in range(5)]
    assert api.every("/v1/files", limit=2) == made[::-1]
    assert api.get("/v1/files", cursor="bm9uc2Vuc2U").code == "invalid_cursor"


def test_a_file_is_deleted_with_its_content(api: Api, store: Store) -> None:
    file = upload(api).json
    assert api.delete(f"/v1/files/{file['id']}").status == 204
    assert left(store) == []
    assert api.get(f"/v1/files/{file['id']}").code == "not_found"
    assert api.delete(f"/v1/files/{file['id']}").code == "not_found"


def test_a_file_that_an_unfinished_job_needs_is_kept(api: Api, store: Store) -> None:
    file = upload(api).json
    made = api.post("/v1/jobs", {"type": "import", "file": file["id"]})
    assert made.status == 201, made
    job = store.browse.find_job(made.json["id"])
    assert api.delete(f"/v1/files/{file['id']}").code == "busy"
    store.control.cancel(job.pk, store.clock())
    assert api.delete(f"/v1/files/{file['id']}").status == 204


def test_uploading_needs_a_token_that_may_run(api: Api, token: Callable[[Access], str], store: Store) -> None:
    reader = token(Access.READ)
    assert upload(api).code == "unauthorized"
    assert upload(api.with_token(reader)).code == "forbidden"
    assert left(store) == []


def test_what_a_killed_server_left_is_swept(api: Api, store: Store) -> None:
    kept = upload(api).json["id"]
    (store.uploads / ".file_dead.part").write_bytes(b"half")
    (store.uploads / "file_unknown").write_bytes(b"whole, and never made known")
    alive = Upload(store)
    alive.write(b"half")
    sweep_unfinished(store)
    assert len(left(store)) == 2
    alive.finish()
    alive.keep("file_alive", "a.csv")
    alive.close()
    sweep_unfinished(store)
    assert left(store) == sorted([kept, "file_alive"])


def test_a_path_is_no_id(api: Api) -> None:
    for id_ in ("..", "%2e%2e%2frowmill.db", "file_..%2f..%2fetc%2fpasswd", "file_%00"):
        assert api.get(f"/v1/files/{id_}/content").status in (404, 422)
