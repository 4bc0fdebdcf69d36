"""Schemathesis over the whole API of a real server: no server error, no undocumented answer, nothing wrong accepted."""

import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from .harness import Rowmill
from .serving import Server, make_token, serve

pytestmark = pytest.mark.xdist_group("process-api-schema")

SECONDS = 30
HERE = Path(__file__).with_name("api_schema")
SCHEMATHESIS = str(Path(sysconfig.get_path("scripts")) / "schemathesis")
STEP = {"processor": "http", "url": "https://api.example.com/{{review}}"}


def test_schemathesis_finds_nothing(rowmill: Rowmill) -> None:
    token = make_token(rowmill)
    [own] = rowmill.ok("tokens", "list", "--json").json
    server = serve(rowmill, "--log-format", "json", "--log-level", "warning", token=token)
    rows = [{"review": f"number {number}"} for number in range(20)]
    job = server.post("/v1/jobs", {"type": "enrichment", "rows": rows, "steps": [STEP], "start": False})
    (rowmill.place / "reviews.csv").write_text("id,review\n1,fine\n2,bad\n")
    dataset = rowmill.ok("import", "reviews.csv", "--dataset", "reviews", "--key", "id", "--json").json["dataset"]
    there = {"job_id": job["id"], "dataset": dataset, "number": "1"}
    command = [
        SCHEMATHESIS, "--config-file", str(HERE / "schemathesis.toml"), "run", f"{server.url}/openapi.json",
        "--header", f"Authorization: Bearer {token}", "--phases", "examples,coverage,fuzzing,stateful",
        "--max-time", str(SECONDS), "--no-color",
    ]  # fmt: skip
    env = {
        **rowmill.env,
        "PYTHONPATH": str(HERE),
        "SCHEMATHESIS_HOOKS": "hooks",
        "ROWMILL_THERE": json.dumps(there),
        "ROWMILL_OWN_TOKEN": own["id"],
        "PATH": os.environ.get("PATH", ""),
    }
    ended = subprocess.run(
        command, env=env, cwd=rowmill.place, capture_output=True, text=True, timeout=6 * SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    answered = _answered(server)
    let_in = {(method, route) for method, route, status in answered if status not in ("401", "403")}
    assert len(let_in) > 50
    assert {(method, route) for method, route, _ in answered} == let_in, "an operation was never let in"
    assert "internal error" not in server.process.stderr, server.process.stderr
    assert server.get("/healthz") == {"status": "ok"}


def _answered(server: Server) -> list[tuple[str, str, str]]:
    """Method, route and status of what the server has answered."""
    text = server.ask("GET", "/metrics").data.decode()
    return re.findall(r'_seconds_count{method="(\w+)",route="([^"]+)",status="(\d+)"}', text)
