"""``rowmill serve`` as a process, and a client of it."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import urllib3

from rowmill.testing import ModelServer
from tests.support.deadline import DEADLINE

from .harness import LOOK, PROGRAM, Process, Rowmill

KEY = "sk-of-the-provider-4711"
STEP = {"prompt": "Say {{text}}", "connection": "models", "model": "test"}
_WHERE = re.compile(r"Rowmill serves (http://\S+?)\. ")


@dataclass
class Server:
    """A running ``rowmill serve``, asked with ``token`` where there is one."""

    process: Process
    url: str
    token: str | None = None

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return urllib3.request(
            method, self.url + path, json=body, headers=headers or None, timeout=DEADLINE, retries=False
        )

    @property
    def answers(self) -> bool:
        try:
            return self.ask("GET", "/healthz").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.data
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status in (200, 201), answer.data
        return answer.json()

    def job(self, id_: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.get(f"/v1/jobs/{id_}")
        return shown

    def submit(self, rows: int, **more: Any) -> str:
        """Makes a job over the rows that ``Rowmill.table`` would write; returns its id."""
        asked = {"type": "enrichment", "rows": [{"id": n, "text": f"text-{n}"} for n in range(1, rows + 1)]}
        id_: str = self.post("/v1/jobs", {**asked, "steps": [STEP], **more})["id"]
        return id_

    def wait_for_job(self, id_: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Blocks until the job's JSON fulfils ``condition``; returns it."""
        until = time.monotonic() + DEADLINE
        while not condition(shown := self.job(id_)):
            assert time.monotonic() < until, shown
            time.sleep(LOOK)
        return shown

    def completed(self, id_: str) -> dict[str, Any]:
        shown = self.wait_for_job(id_, lambda job: job["status"] not in ("pending", "running"))
        assert shown["status"] == "completed", shown
        return shown


def serve(rowmill: Rowmill, *arguments: str, token: str | None = None, **env: str) -> Server:
    """Starts a server on a free port; returns once it answers."""
    return told_where(rowmill.start("serve", "--port", "0", *arguments, **env), token)


def told_where(process: Process, token: str | None = None) -> Server:
    """The server that ``process`` is, once it answers."""
    process.wait_for("Rowmill serves ")
    found = _WHERE.search(process.stderr)
    assert found, process.stderr
    return Server(process, found[1].replace("0.0.0.0", "127.0.0.1"), token)


def connect(rowmill: Rowmill, models: ModelServer) -> None:
    """Makes the connection ``models``, with its key by stdin."""
    command = [PROGRAM, "connections", "add", "models", "--base-url", models.url]
    subprocess.run(command, input=f"{KEY}\n", env=rowmill.env, text=True, check=True, timeout=DEADLINE)


def make_token(rowmill: Rowmill, scope: str = "admin") -> str:
    made = rowmill.ok("tokens", "create", f"for {scope}", "--scope", scope, "--json").json
    token: str = made["token"]
    return token


def lines_of(process: Process) -> list[dict[str, Any]]:
    """The log of a server that writes JSON: every line but what it says to people."""
    lines = [line for line in process.stderr.splitlines() if line and not line.startswith("Rowmill serves ")]
    return [json.loads(line) for line in lines]


def end(server: Server, number: signal.Signals = signal.SIGTERM) -> None:
    """Ends the server, which must exit with 0."""
    server.process.signal(number)
    ended = server.process.end()
    assert ended.code == 0, ended
    assert "Traceback" not in ended.stderr, ended.stderr


def check_counts(job: dict[str, Any]) -> None:
    """The counts of the job partition its rows."""
    parts = job["succeeded"] + job["failed"] + job["skipped"] + job["unprocessed"]
    assert parts == job["total"], job
    assert job["processed"] == job["succeeded"] + job["failed"] + job["skipped"], job
