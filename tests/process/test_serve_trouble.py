"""What ``rowmill serve`` logs, and what it does when the disk is full."""

import json
import sys
from collections import Counter

import pytest

from rowmill.testing import ModelServer, Reply

from .harness import Rowmill, number_of, prompt
from .serving import KEY, STEP, Server, check_counts, connect, end, lines_of, make_token, serve, told_where
from .test_disk_full import LIMITED, ROOM

pytestmark = pytest.mark.xdist_group("process-serve-trouble")


def test_every_line_of_the_log_is_json_and_says_what_it_is_about(rowmill: Rowmill) -> None:
    token = make_token(rowmill)
    bad = Reply(status=400, body={"error": {"message": f"Not with {KEY}.", "type": "bad", "code": "bad"}})
    with ModelServer(script=lambda request: bad if number_of(request) == 2 else "ok") as models:
        connect(rowmill, models)
        server = serve(rowmill, "--log-format", "json", "--log-level", "debug", token=token)
        job = server.wait_for_job(server.submit(5), lambda shown: shown["status"] == "completed")["id"]
        server.get(f"/v1/jobs/{job}/rows/2")
        server.ask("POST", f"/v1/jobs/{job}/pause")
        server.ask("GET", "/v1/jobs", Authorization="Bearer rm_of-a-stranger")
        end(server)
    lines = lines_of(server.process)
    assert all({"timestamp", "level", "event"} <= line.keys() for line in lines)
    about = Counter(line["event"] for line in lines if line.get("job") == job)
    assert about["job claimed"] == 1
    assert about["job ended"] == 1
    assert about["request"] >= 3
    assert [line for line in lines if job in json.dumps(line) and line.get("job") != job] == []
    failed = [line for line in lines if line.get("row") == 2 and line["event"] != "request"]
    assert failed
    assert all(line["job"] == job for line in failed)
    said = server.process.stderr
    assert all(secret not in said for secret in (KEY, token, "rm_of-a-stranger", "Authorization"))


def test_a_key_in_a_providers_complaint_is_shown_nowhere(rowmill: Rowmill) -> None:
    refusing = Reply(status=401, body={"error": {"message": f"Incorrect API key {KEY}.", "code": "invalid_api_key"}})
    with ModelServer(script=lambda request: refusing) as models:
        connect(rowmill, models)
        server = serve(rowmill, "--log-format", "json", "--log-level", "debug")
        job = server.submit(3)
        shown = server.wait_for_job(job, lambda shown: shown["status"] == "failed")
        assert shown["error"]["hint"]
        told = json.dumps([shown, server.get(f"/v1/jobs/{job}/rows")])
        end(server)
    assert KEY not in told
    assert KEY not in server.process.stderr


def _with_little_room(rowmill: Rowmill) -> Server:
    """A server whose store may not grow by more than a megabyte."""
    size = (rowmill.home / "rowmill.db").stat().st_size + ROOM
    command = [sys.executable, "-c", LIMITED, str(size)]
    return told_where(rowmill.start_through(command, "serve", "--port", "0", "--log-format", "json"))


def test_a_full_disk_stops_the_job_and_not_the_server(rowmill: Rowmill) -> None:
    rows = 3000
    with ModelServer(script=lambda request: Reply("ok" * 100)) as models:
        connect(rowmill, models)
        server = _with_little_room(rowmill)
        job = server.submit(rows, concurrency=20)
        server.process.wait_for('"code": "store"')
        assert server.get("/healthz") == {"status": "ok"}
        shown = server.job(job)
        check_counts(shown)
        assert 0 < shown["succeeded"] < rows
        refused = server.ask("POST", "/v1/jobs", {"type": "enrichment", "steps": [STEP], "rows": _large(3000)})
        assert (refused.status, refused.json()["code"]) in [(503, "store"), (507, "disk_full")]
        assert refused.json()["hint"]
        saved = {row["number"] for row in rowmill.rows("succeeded", job)}
        server.process.kill()

        server = serve(rowmill)
        if server.job(job)["status"] == "failed":
            assert server.job(job)["error"]["code"] == "store"
            server.post(f"/v1/jobs/{job}/resume")
        assert server.completed(job)["succeeded"] == rows
        assert {models.counts[prompt(number)] for number in saved} == {1}
        end(server)
    assert rowmill.ok("doctor", "--json").json["store"] == "sound"


def _large(rows: int) -> list[dict[str, str]]:
    return [{"text": "x" * 1000} for _ in range(rows)]
