"""A listener to server-sent events, strict about the format (the HTML standard, section 9.2)."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from pydantic import TypeAdapter

from rowmill.shapes.events import JobEvent
from tests.support.deadline import DEADLINE
from tests.support.serving import Api

_EVENT = TypeAdapter(JobEvent)


@dataclass(frozen=True, slots=True)
class Heard:
    """An event; ``id`` is its own, empty where it has none."""

    type: str
    id: str
    data: Any

    @property
    def job(self) -> dict[str, Any]:
        found: dict[str, Any] = self.data["data"]
        return found


class Ear:
    """Reads one stream. ``last_id`` is what a browser would send as ``Last-Event-ID`` when it reconnects."""

    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._answer = answer
        self.status = answer.status
        self.headers = answer.headers
        self.last_id = ""
        self.pings = 0
        self.retry = 0

    def hear(self) -> Heard | None:
        """The next event; ``None`` once the stream has ended."""
        fields: dict[str, str] = {}
        until = time.monotonic() + DEADLINE
        while line := self._answer.readline().decode():
            assert time.monotonic() < until, "the stream goes on, and nothing is told"
            assert line.endswith("\n")
            if line != "\n":
                self._take(line.removesuffix("\n"), fields)
                continue
            self.last_id = fields.get("id", self.last_id)
            self.retry = int(fields.get("retry", self.retry))
            if "data" in fields:
                return _heard(fields)
            fields = {}
        assert not fields, "the stream ended within an event"
        return None

    def ping(self) -> None:
        """Waits for the next heartbeat; no event may come before it."""
        before = self.pings
        while self.pings == before:
            line = self._answer.readline().decode()
            assert line, "the stream ended"
            fields: dict[str, str] = {}
            self._take(line.removesuffix("\n"), fields)
            assert "data" not in fields, line

    def ping_after_first(self) -> None:
        """Waits for the job as it stands, and then for a heartbeat."""
        self.hear()
        self.ping()

    def until(self, *types: str) -> list[Heard]:
        """All events up to the first that is of one of ``types``."""
        found = []
        while event := self.hear():
            found.append(event)
            if event.type in types:
                return found
        raise AssertionError(f"the stream ended without any of {types}: {found}")

    def rest(self) -> list[Heard]:
        """All events until the stream ends by itself."""
        return list(iter(self.hear, None))

    def statuses(self, count: int) -> list[Heard]:
        """The next ``count`` status events, without what lies between them."""
        return [next(event for event in iter(self.hear, None) if event.id) for _ in range(count)]

    def close(self) -> None:
        self._answer.close()
        self._connection.close()

    def _take(self, line: str, fields: dict[str, str]) -> None:
        if line.startswith(":"):
            self.pings += 1
        elif line:
            name, _, value = line.partition(": ")
            assert name in ("id", "event", "data", "retry"), line
            assert name not in fields, f"{name} twice"
            fields[name] = value


def _heard(fields: dict[str, str]) -> Heard:
    """Holds the event against its description."""
    _EVENT.validate_json(fields["data"])
    data = json.loads(fields["data"])
    assert data["type"] == fields["event"]
    return Heard(fields["event"], fields.get("id", ""), data)


@contextmanager
def listening(
    api: Api,
    path: str = "/v1/events",
    last_id: str | None = None,
    **query: str,
) -> Iterator[Ear]:
    """Connects as a browser does, with ``last_id`` as its ``Last-Event-ID``; hangs up at the end of the block."""
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=DEADLINE)
    sent = {"Accept": "text/event-stream"}
    if api.token is not None:
        sent["Authorization"] = f"Bearer {api.token}"
    if last_id is not None:
        sent["Last-Event-ID"] = last_id
    connection.request("GET", f"{path}?{urlencode(query)}" if query else path, headers=sent)
    ear = Ear(connection, connection.getresponse())
    try:
        yield ear
    finally:
        ear.close()
