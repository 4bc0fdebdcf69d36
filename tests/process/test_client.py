"""The Python client while its server is killed, and ``rowmill.enrich`` in a script that is killed."""

import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rowmill.client import Client, Job
from rowmill.core.errors import RowmillError
from tests.support.deadline import DEADLINE

from .harness import Process, Rowmill, wait_until

RULES = """
import time
from pathlib import Path

def judge(row):
    with open("calls", "a") as calls:
        print(row["text"], file=calls)
    while row["text"] == "wait" and not Path("gate").exists():
        time.sleep(0.01)
    return "x" * 1000 if row["text"] == "long" else row["text"].upper()
"""
SCRIPT = """
import rowmill, sys

if __name__ == "__main__":
    rows = [{"text": "a"}, {"text": "b"}, {"text": "wait"}, {"text": "c"}, MORE]
    job = rowmill.enrich(rows, function=FUNCTION, output={"loud": str}, concurrency=1)
    print(job.id, [row["loud"] for row in job.results()])
"""


@pytest.fixture
def here(rowmill: Rowmill) -> Path:
    (rowmill.place / "rules.py").write_text(RULES)
    return rowmill.place


@pytest.fixture
def port() -> int:
    """One that is free, so that a server can be started again where it was."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    return number


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{port}") as client:
        yield client


def serve(rowmill: Rowmill, port: int) -> Process:
    server = rowmill.start("serve", "--port", str(port), "--allow-python", "rules:judge", PYTHONPATH=str(rowmill.place))
    server.wait_for("Rowmill serves")
    return server


class Waiting(threading.Thread):
    """Waits for a job in a thread."""

    def __init__(self, job: Job) -> None:
        super().__init__(daemon=True)
        self._job = job
        self.found: list[Any] = []
        self.start()

    def run(self) -> None:
        try:
            self.found.append(self._job.wait())
        except RowmillError as error:
            self.found.append(error)


def test_waiting_goes_on_while_the_server_is_killed_and_started_again(
    rowmill: Rowmill, here: Path, port: int, client: Client
) -> None:
    server = serve(rowmill, port)
    rows = [{"text": "a"}, {"text": "wait"}, {"text": "b"}]
    job = client.jobs.create(rows, function="rules:judge", output={"loud": "text"}, concurrency=1)
    waiting = Waiting(job)
    wait_until(lambda: job.refresh().processed == 1, "the first row")
    server.kill()
    (here / "gate").touch()
    assert waiting.found == []
    serve(rowmill, port)
    waiting.join(DEADLINE)
    [ended] = waiting.found
    assert ended.status == "completed"
    assert [row["loud"] for row in ended.results()] == ["A", "WAIT", "B"]


def test_results_go_on_while_the_server_is_killed_and_started_again(
    rowmill: Rowmill, here: Path, port: int, client: Client
) -> None:
    server = serve(rowmill, port)
    rows = [{"n": number, "text": "long"} for number in range(5000)]
    job = client.jobs.create(rows, function="rules:judge", output={"loud": "text"}, concurrency=50).wait(check=True)
    numbers = []
    for row in job.results():
        numbers.append(row["n"])
        if len(numbers) == 100:
            server.kill()
            serve(rowmill, port)
    assert numbers == list(range(5000))


def script(rowmill: Rowmill, function: str, more: str = "") -> Process:
    """Starts a script that enriches four rows, and ``more``, by ``function``, one of itself or of a module."""
    imports = "from rules import judge" if function == "judge" else RULES
    path = rowmill.place / "script.py"
    path.write_text(imports + SCRIPT.replace("FUNCTION", function).replace("MORE", more))
    process = Process([sys.executable, str(path)], rowmill.env, rowmill.place)
    rowmill.processes.append(process)
    return process


def calls(here: Path) -> list[str]:
    path = here / "calls"
    return path.read_text().split() if path.exists() else []


@pytest.mark.parametrize("function", ["judge", "lambda row: judge(row)"])
def test_a_script_that_was_killed_goes_on_when_it_is_run_again(rowmill: Rowmill, here: Path, function: str) -> None:
    first = script(rowmill, function)
    wait_until(lambda: calls(here) == ["a", "b", "wait"], "the third row")
    first.kill()
    assert rowmill.show()["interrupted"]
    (here / "gate").touch()
    ended = script(rowmill, function).end()
    assert (ended.code, ended.stdout) == (0, f"{rowmill.show()['id']} ['A', 'B', 'WAIT', 'C']\n"), ended
    assert "2 rows left" in ended.stderr
    assert calls(here) == ["a", "b", "wait", "wait", "c"]


def test_the_same_call_elsewhere_follows_the_job_and_takes_it_over_when_its_process_is_killed(
    rowmill: Rowmill, here: Path
) -> None:
    first = script(rowmill, "judge")
    wait_until(lambda: "wait" in calls(here), "the third row")
    second = script(rowmill, "judge")
    second.wait_for("Continuing")
    assert calls(here) == ["a", "b", "wait"]
    first.kill()
    (here / "gate").touch()
    ended = second.end()
    assert (ended.code, ended.stdout) == (0, f"{rowmill.show()['id']} ['A', 'B', 'WAIT', 'C']\n"), ended
    assert calls(here) == ["a", "b", "wait", "wait", "c"]


def test_a_second_ctrl_c_does_not_wait_for_the_rows_in_flight(rowmill: Rowmill, here: Path) -> None:
    process = script(rowmill, "judge")
    wait_until(lambda: "wait" in calls(here), "the third row")
    process.signal(signal.SIGINT)
    process.wait_for("Pausing")
    process.signal(signal.SIGINT)
    ended = process.end()
    assert "Call again to continue" in ended.stderr
    assert ended.stderr.rstrip().endswith("KeyboardInterrupt")
    job = rowmill.show()
    assert (job["status"], job["processed"], job["running"]) == ("paused", 2, 0)


def test_ctrl_c_pauses_the_job_and_says_how_to_go_on(rowmill: Rowmill, here: Path) -> None:
    process = script(rowmill, "judge", '{"text": "d"}, {"text": "e"}')
    wait_until(lambda: "wait" in calls(here), "the third row")
    process.signal(signal.SIGINT)
    process.wait_for("Pausing")
    rowmill.wait_for_job(lambda job: job["stopping"])
    (here / "gate").touch()
    ended = process.end()
    job = rowmill.show()
    assert (job["status"], job["pause_reason"]) == ("paused", "user")
    assert job["processed"] in (3, 4), "one row may begin with the commit that brings the news"
    assert re.search(rf"Call again to continue {job['id']}, or run: rowmill resume {job['id']}", ended.stderr)
    assert ended.stderr.rstrip().endswith("KeyboardInterrupt")
    assert rowmill.ok("resume", job["id"])
    assert rowmill.show()["status"] == "completed"
