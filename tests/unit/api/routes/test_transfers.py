"""Imports, exports and results through the API, really worked."""

import os
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from rowmill.api import submissions
from rowmill.core.status import Action
from rowmill.files.service import path_of
from rowmill.http.context import Context
from rowmill.ledger.store import Store
from rowmill.plugins.registry import load
from rowmill.worker.worker import Worker
from tests.support.deadline import DEADLINE
from tests.support.made import completed, make
from tests.support.serving import Answer, Api
from tests.unit.files.test_routes import TABLE, left, upload

pytestmark = pytest.mark.usefixtures("worker")


def done(api: Api, asked: dict[str, Any]) -> dict[str, Any]:
    """The job that was asked for, once it has completed."""
    made = api.post("/v1/jobs", asked)
    assert made.status == 201, made
    return ended(api, made.json["id"])


def ended(api: Api, id_: str) -> dict[str, Any]:
    until = time.monotonic() + DEADLINE
    while (job := api.get(f"/v1/jobs/{id_}").json)["status"] in ("pending", "running"):
        assert time.monotonic() < until
        time.sleep(0.02)
    found: dict[str, Any] = job
    return found


def imported(api: Api, content: bytes = TABLE, name: str = "reviews.csv", **asked: Any) -> dict[str, Any]:
    return done(api, {"type": "import", "file": upload(api, content, name).json["id"], **asked})


def records(api: Api, dataset: str) -> list[Any]:
    return [each["values"] for each in api.every(f"/v1/datasets/{dataset}/records")]


def test_an_upload_is_imported_into_the_dataset_of_its_name(api: Api, store: Store) -> None:
    job = imported(api, key="id", metadata={"team": "shop"})
    assert (job["status"], job["created"], job["metadata"], job["name"]) == (
        "completed",
        2,
        {"team": "shop"},
        "reviews.csv",
    )
    assert records(api, "reviews") == [{"id": "1", "text": "good"}, {"id": "2", "text": "bad"}]
    assert left(store) == [job["file"]]  # it stays
    assert str(store.uploads) not in str(job)


def test_an_upload_without_a_suffix_is_told_by_its_content(api: Api) -> None:
    job = imported(api, b'{"a": 1}\n', "things")
    assert (job["source"], records(api, "things")) == ({"file": "things", "format": "jsonl"}, [{"a": 1}])


def test_fields_are_declared_as_objects(api: Api) -> None:
    fields = [
        {"name": "price", "type": "number", "required": True},
        {"name": "size", "type": "enum", "values": ["S", "M"]},
    ]
    job = imported(api, b"sku,price,size\n1,2.5,S\n2,,M\n3,1,XL\n", dataset="products", key="sku", fields=fields)
    assert (job["succeeded"], job["failed"], job["needs_attention"]) == (1, 2, True)
    assert records(api, "products") == [{"sku": "1", "price": 2.5, "size": "S"}]
    assert api.get(f"/v1/jobs/{job['id']}/results").content.startswith(b"sku,price,size,_row,_error\n2,,M,2,")


def test_an_import_of_an_upload_that_is_broken_fails_by_its_name(api: Api, store: Store) -> None:
    asked = {"type": "import", "file": upload(api, b"PK\x03\x04 no book", "book.xlsx").json["id"]}
    refused = api.post("/v1/jobs", asked)
    assert refused.code == "input"
    assert "book.xlsx" in refused.json["detail"]
    assert str(store.uploads) not in refused.content.decode()
    assert api.get("/v1/datasets").json["data"] == []


def test_an_import_that_waits_reads_what_is_left_when_it_is_resumed(api: Api, store: Store) -> None:
    file = upload(api).json["id"]
    held = api.post("/v1/jobs", {"type": "import", "file": file, "start": False}).json
    assert held["status"] == "paused"
    (store.uploads / file).write_bytes(b"other\n1\n")
    api.post(f"/v1/jobs/{held['id']}/start")
    failed = ended(api, held["id"])
    assert failed["status"] == "failed"
    assert failed["error"]["message"].startswith("reviews.csv is not the file any more")


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"file": "file_0", "url": "https://example.com/a.csv"},
        {"file": "file_0", "path": "/etc/passwd"},
    ],
)
def test_an_import_is_made_from_one_thing(api: Api, asked: dict[str, Any]) -> None:
    assert api.post("/v1/jobs", {"type": "import", **asked}).code == "usage"


def test_an_upload_that_is_not_there_is_not_found(api: Api) -> None:
    assert api.post("/v1/jobs", {"type": "import", "file": "file_0"}).code == "not_found"


def test_an_export_without_a_place_is_a_download(api: Api, store: Store) -> None:
    imported(api)
    columns = [{"column": "text"}, {"column": "id", "name": "number"}]
    job = done(api, {"type": "export", "dataset": "reviews", "columns": columns})
    file = api.get(f"/v1/files/{job['file']}").json
    assert (file["name"], file["job"], file["size"]) == ("reviews.csv", job["id"], 25)
    assert api.get(f"/v1/files/{job['file']}/content").content == b"text,number\ngood,1\nbad,2\n"
    assert job["output"] == {"path": "reviews.csv", "format": "csv", "overwrite": False}
    assert str(store.uploads) not in str(job)


def test_a_download_is_there_once_its_job_has_completed(api: Api) -> None:
    imported(api)
    held = api.post("/v1/jobs", {"type": "export", "dataset": "reviews", "format": "jsonl", "start": False}).json
    assert api.get(f"/v1/files/{held['file']}").json["size"] is None
    assert api.get(f"/v1/files/{held['file']}/content").code == "conflict"
    assert api.get(f"/v1/jobs/{held['id']}/results").code == "conflict"
    assert api.delete(f"/v1/files/{held['file']}").code == "busy"
    api.post(f"/v1/jobs/{held['id']}/start")
    job = ended(api, held["id"])
    assert api.get(f"/v1/jobs/{job['id']}/results").content == api.get(f"/v1/files/{job['file']}/content").content
    assert api.get(f"/v1/jobs/{job['id']}/results", format="csv").code == "usage"


def test_an_export_that_was_cancelled_has_no_file(api: Api, store: Store) -> None:
    source = imported(api)
    held = api.post("/v1/jobs", {"type": "export", "dataset": "reviews", "start": False}).json
    path_of(store, held["file"]).write_bytes(b"put in place, and then killed")
    job = api.post(f"/v1/jobs/{held['id']}/cancel").json
    assert (job["status"], job["file"]) == ("cancelled", None)
    assert job["output"]["path"] == "reviews.csv"
    assert [file["id"] for file in api.every("/v1/files")] == left(store) == [source["file"]]
    answer = api.get(f"/v1/jobs/{job['id']}/results")
    assert answer.code == "not_found"
    assert answer.json["detail"] == f"{job['id']} was cancelled, so that there is no file."


def test_results_of_an_export_that_has_stopped_say_what_to_do(api: Api, store: Store) -> None:
    imported(api)
    job = api.post("/v1/jobs", {"type": "export", "dataset": "reviews", "start": False}).json
    held = api.get(f"/v1/jobs/{job['id']}/results")
    assert (held.code, "is paused" in held.json["detail"], "Resume it" in held.json["hint"]) == ("conflict", True, True)
    pk = store.browse.job_by_id(job["id"]).pk  # type: ignore[union-attr]
    store.control.resume(pk, store.clock())
    assert store.ledger.finish(store.ledger.claim(pk, store.join(), store.clock()), Action.FAIL, store.clock())
    failed = api.get(f"/v1/jobs/{job['id']}/results")
    assert (failed.code, "has failed" in failed.json["detail"], "resume" in failed.json["hint"]) == (
        "conflict",
        True,
        True,
    )


def test_a_download_goes_with_its_job(api: Api, store: Store) -> None:
    source = imported(api)
    job = done(api, {"type": "export", "dataset": "reviews"})
    assert api.delete(f"/v1/jobs/{job['id']}").status == 204
    assert left(store) == [source["file"]]
    assert api.get(f"/v1/files/{job['file']}").code == "not_found"
    done(api, {"type": "export", "dataset": "reviews"})
    assert api.delete("/v1/datasets/reviews").status == 204
    assert left(store) == [source["file"]]


def test_a_job_is_exported(api: Api, store: Store) -> None:
    origin = completed(store)
    job = done(api, {"type": "export", "job": origin.id, "only": "failed", "name": "What failed"})
    assert api.get(f"/v1/jobs/{job['id']}/results").content.decode().splitlines() == [
        "review,mood,_status,_error",
        "text 3,,failed,bad_request: It was refused.",
    ]
    assert api.get(f"/v1/files/{job['file']}").json["name"] == "What failed.csv"


def test_an_export_of_nothing_is_not_found(api: Api) -> None:
    assert api.post("/v1/jobs", {"type": "export", "dataset": "none"}).code == "not_found"
    assert api.post("/v1/jobs", {"type": "export", "job": "job_none"}).code == "not_found"
    assert api.post("/v1/jobs", {"type": "export"}).code == "usage"
    assert api.get("/v1/files").json["data"] == []


def test_a_path_that_is_allowed_is_read_and_written(api: Api, context: Context, tmp_path: Path) -> None:
    place = tmp_path / "shop"
    place.mkdir()
    (place / "reviews.csv").write_bytes(TABLE)
    context.policy = replace(context.policy, paths=(place,))
    assert done(api, {"type": "import", "path": str(place / "reviews.csv")})["created"] == 2
    job = done(api, {"type": "export", "dataset": "reviews", "path": str(place / "out.tsv")})
    assert (job["file"], (place / "out.tsv").read_text()) == (None, "id\ttext\n1\tgood\n2\tbad\n")
    assert api.get(f"/v1/jobs/{job['id']}/results").code == "usage"


@pytest.fixture
def web(context: Context) -> Any:
    """A web server on this machine, which the policy allows with its private address; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/data/away"):
                self.send_response(302)
                self.send_header("Location", "/secret/reviews.csv" if "secret" in self.path else "/data/reviews.csv")
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(TABLE)

        def log_message(self, *about: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    context.policy = replace(context.policy, urls=(f"{url}/data",), private=True)
    yield url
    server.shutdown()
    server.server_close()


def fetch(api: Api, url: str) -> Answer:
    return api.post("/v1/jobs", {"type": "import", "url": url})


def test_a_url_that_is_allowed_is_fetched(api: Api, web: str) -> None:
    assert ended(api, fetch(api, f"{web}/data/reviews.csv").json["id"])["created"] == 2
    assert ended(api, fetch(api, f"{web}/data/away.csv").json["id"])["status"] == "completed"
    assert len(records(api, "reviews")) == 2


def test_a_redirect_to_where_nothing_is_allowed_is_refused(api: Api, web: str, store: Store) -> None:
    assert fetch(api, f"{web}/data/away.csv?secret").code == "server_file"
    assert list(store.files.iterdir()) == []
    assert api.get("/v1/jobs").json["data"] == []


def test_a_url_at_a_private_address_is_refused_even_if_it_is_allowed(
    api: Api, web: str, context: Context, store: Store
) -> None:
    context.policy = replace(context.policy, private=False)
    refused = fetch(api, f"{web}/data/reviews.csv")
    assert refused.code == "input"
    assert "private" in refused.json["detail"]
    assert list(store.files.iterdir()) == []


def test_what_a_url_holds_is_bounded(
    api: Api, web: str, context: Context, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.policy = replace(context.policy, max_upload=5)
    assert fetch(api, f"{web}/data/reviews.csv").code == "input"
    context.policy = replace(context.policy, max_upload=1000)
    monkeypatch.setattr(submissions, "_LONGEST_FETCH", -1.0)
    assert fetch(api, f"{web}/data/reviews.csv").code == "input"
    assert list(store.files.iterdir()) == []


@pytest.mark.parametrize("format_", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_results_come_in_every_format(api: Api, store: Store, format_: str) -> None:
    job = completed(store)
    got = api.get(f"/v1/jobs/{job.id}/results", format=format_)
    assert got.headers["Content-Disposition"] == f'attachment; filename="reviews.{format_}"'
    reader = load("readers", format_)(BytesIO(got.content), "results")
    rows = list(reader.rows())
    assert reader.columns == ["review", "mood", "_status", "_error"]
    assert [row[1] or None for row in rows] == ["good", "bad", None]
    assert [path.name for path in (store.files.iterdir() if store.files.is_dir() else ())] == []


def test_results_can_be_those_of_one_kind(api: Api, store: Store) -> None:
    job = make(store, 2)
    assert api.get(f"/v1/jobs/{job.id}/results", only="unprocessed").content.count(b"pending") == 2
    assert api.get(f"/v1/jobs/{job.id}/results", only="failed").content == b"review,mood,_status,_error\n"


def test_a_format_that_is_not_known_is_refused(api: Api, store: Store) -> None:
    job = completed(store)
    assert api.get(f"/v1/jobs/{job.id}/results", format="docx").code == "invalid_request"
    assert api.get("/v1/jobs/job_none/results").code == "not_found"


def test_rows_that_an_import_does_not_have_are_refused(api: Api) -> None:
    job = imported(api)
    assert api.get(f"/v1/jobs/{job['id']}/results", only="succeeded").code == "usage"
    assert api.get(f"/v1/jobs/{job['id']}/results").content == b"_row,_error\n"


def test_an_enrichment_takes_an_upload_by_its_name(api: Api, context: Context, worker: Worker, store: Store) -> None:
    file = upload(api).json["id"]
    context.policy = replace(context.policy, python=("os.path:basename",))
    steps = [{"processor": "python", "function": "os.path:basename", "output": {"mood": {"type": "string"}}}]
    asked = {"type": "enrichment", "file": file, "steps": steps, "start": False}
    made = api.post("/v1/jobs", asked)
    assert (made.status, made.json["name"], made.json["total"]) == (201, "reviews.csv", 2)
    assert api.post("/v1/jobs", {**asked, "file": "file_0"}).code == "not_found"
    refused = api.post("/v1/jobs", {**asked, "where": "id = 1"})
    assert refused.code == "usage"
    assert os.fspath(store.uploads) not in refused.content.decode()
