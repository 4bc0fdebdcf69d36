"""Server-sent events."""

import json
from typing import Any

import pytest

from rowmill.client.events import EventParser


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
