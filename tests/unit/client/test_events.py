"""Server-sent events."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from rowmill.client.events import EventParser, follow, listen
from rowmill.client.exchange import Request, Response
from rowmill.client.transport import Sync


def told(number: int, newline: str) -> str:
    data = {"type": "job.running", "timestamp": "2026-02-01T03:04:05Z", "data": {"id": f"job_ü{number}"}}
    text = json.dumps(data, ensure_ascii=False, indent=1).replace("\n", f"{newline}data: ")
    return f": heartbeat{newline}{newline}event: x{newline}id: {number}{newline}data: {text}{newline}{newline}"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_events_are_the_same_however_their_bytes_come(newline: str, size: int) -> None:
    stream = (told(1, newline) + told(2, newline) + "data: {").encode()
    parser = EventParser()
    found: list[Any] = [
        event for start in range(0, len(stream), size) for event in parser.feed(stream[start : start + size])
    ]
    assert [(event.id, event.data["id"]) for event in found] == [("1", "job_ü1"), ("2", "job_ü2")]


class Recited(Sync):
    """Whatever is asked, the next of ``parts`` is read; in the end there is nothing more to tell (204)."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = [*parts]
        self.requests: list[Request] = []

    def open(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200 if self.parts else 204, {}, None)

    def read(self, answer: Response) -> bytes:
        return self.parts.pop(0)

    def close_answer(self, answer: Response) -> None:
        pass

    def close(self) -> None:
        pass

    @property
    def asked(self) -> list[str]:
        return [request.path for request in self.requests]


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have slept; it does not."""
    slept: list[float] = []
    monkeypatch.setattr("rowmill.client.transport.time", SimpleNamespace(sleep=slept.append))
    return slept


def test_a_stream_that_broke_off_goes_on_behind_the_last_event_until_there_are_no_more() -> None:
    server = Recited(told(7, "\n").encode(), b"")
    assert [event.id for event in server.stream(listen("/v1/jobs/job_1/events"))] == ["7"]
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "7"]


def test_a_heartbeat_is_the_occasion_to_look_at_the_job_anew() -> None:
    job = {"id": "job_1", "status": "pending", "interrupted": False}
    event = {"type": "job.progress", "timestamp": "2026-02-01T03:04:05Z", "data": job}
    stream = f"data: {json.dumps(event)}\n\n".encode()
    ended = {**job, "status": "completed"}
    server = Recited(json.dumps(job).encode(), b"", stream, b": heartbeat\n\n", json.dumps(ended).encode(), b"")
    assert server.run(follow("/v1/jobs/job_1", None, lambda job: None)) == ended
    assert server.asked == ["/v1/jobs/job_1", "/v1/jobs/job_1/events", "/v1/jobs/job_1"]


def test_an_interrupted_job_is_looked_at_now_and_then_until_somebody_takes_it_up(naps: list[float]) -> None:
    job = {"id": "job_1", "status": "running", "interrupted": True}
    ended = {**job, "status": "completed", "interrupted": False}
    server = Recited(json.dumps(job).encode(), b"", json.dumps(ended).encode(), b"")
    assert server.run(follow("/v1/jobs/job_1", None, lambda job: None)) == ended
    assert (server.asked, naps) == (["/v1/jobs/job_1"] * 2, [0.5])
