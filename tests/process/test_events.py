"""Listeners to a real server that is killed and started again."""

import http.client
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.deadline import DEADLINE

from .harness import Process, Rowmill

pytestmark = pytest.mark.xdist_group("process-kill")

RULES = """
import time
from pathlib import Path

def judge(row):
    while row["text"] == "wait" and not Path("gate").exists():
        time.sleep(0.01)
    return row["text"].upper()
"""


@pytest.fixture
def port() -> int:
    """One that is free, so that a server can be started again where it was."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    return number


@pytest.fixture
def server(rowmill: Rowmill, port: int) -> Process:
    (rowmill.place / "rules.py").write_text(RULES)
    return _serve(rowmill, port)


def _serve(rowmill: Rowmill, port: int) -> Process:
    server = rowmill.start("serve", "--port", str(port), "--allow-python", "rules:judge", PYTHONPATH=str(rowmill.place))
    server.wait_for("Rowmill serves")
    return server


def _post(port: int, path: str, body: Any = None) -> Any:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)) as connection:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    assert answer.status < 300, content
    return json.loads(content)


def _job(port: int, *texts: str) -> str:
    step = {"processor": "python", "function": "rules:judge", "output": {"loud": {"type": "string"}}}
    rows = [{"text": text} for text in texts]
    id_: str = _post(port, "/v1/jobs", {"type": "enrichment", "rows": rows, "steps": [step]})["id"]
    return id_


Event = tuple[str, str]
"""A name, and the last number that was seen when it came."""


@contextmanager
def _listening(port: int, path: str, last_id: str = "") -> Iterator[Iterator[Event]]:
    """The events of a stream, until it ends, or breaks off."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)) as connection:
        connection.request("GET", path, headers={"Last-Event-ID": last_id} if last_id else {})
        answer = connection.getresponse()
        assert answer.status == 200
        yield _events(answer, last_id)


def _events(answer: http.client.HTTPResponse, last_id: str) -> Iterator[Event]:
    name = ""
    while line := _line(answer):
        field, _, value = line.rstrip("\n").partition(": ")
        if field == "id":
            last_id = value
        elif field == "event":
            name = value
        elif line == "\n" and name:
            yield name, last_id
            name = ""


def _line(answer: http.client.HTTPResponse) -> str:
    try:
        return answer.readline().decode()
    except (http.client.HTTPException, OSError):
        return ""  # the server is gone


def _until(events: Iterator[Event], name: str) -> list[Event]:
    """Events up to the first of this name, without progress."""
    found = []
    for event in events:
        if event[0] != "job.progress":
            found.append(event)
        if event[0] == name:
            return found
    raise AssertionError(f"the stream ended before {name}: {found}")


def test_no_status_is_missed_and_none_told_twice_though_the_server_is_killed(
    rowmill: Rowmill, port: int, server: Process
) -> None:
    job = _job(port, "a", "wait", "b")
    path = f"/v1/jobs/{job}/events"
    with _listening(port, path, "0") as events:
        heard = _until(events, "job.running")
        server.kill()
        assert all(name == "job.progress" for name, _ in events)
    rowmill.ok("pause", job)
    _serve(rowmill, port)
    with _listening(port, path, heard[-1][1]) as events:
        heard += _until(events, "job.paused")
        _post(port, f"/v1/jobs/{job}/resume")
        heard += _until(events, "job.running")
        Path(rowmill.place / "gate").touch()
        heard += _until(events, "end")
        assert list(events) == []
    with rowmill.store() as store:
        happened = [(event.type, str(event.seq)) for event in store.events.after(0, 100, job)]
    assert heard == [*happened, ("end", happened[-1][1])]
    assert [name for name, _ in happened[-4:]] == ["job.paused", "job.pending", "job.running", "job.completed"]


def test_a_server_that_is_told_to_end_does_not_wait_for_its_listeners(port: int, server: Process) -> None:
    with _listening(port, "/v1/events") as events:
        _job(port, "a")
        _until(events, "job.completed")
        server.signal(signal.SIGTERM)
        assert {name for name, _ in events} <= {"job.progress"}
    assert server.end().code == 0
