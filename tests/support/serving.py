"""The API over real HTTP: a server in a thread, and a client that holds every answer against the description."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
import uvicorn
from fastapi import FastAPI

from tests.support.deadline import DEADLINE

PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are of any case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        """Of a problem document."""
        assert self.headers.get("content-type") == PROBLEM, self
        code: str = self.json["code"]
        return code


@dataclass
class Api:
    """A client of the server at ``url``. Each answer must be one that the description ``document`` knows: a status of
    its operation, and of errors the code."""

    url: str
    document: dict[str, Any]
    token: str | None = None
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=16, retries=False))

    def with_token(self, token: str | None) -> "Api":
        return Api(self.url, self.document, token, self.pool)

    def get(self, path: str, *, headers: Mapping[str, str] | None = None, **query: Any) -> Answer:
        return self.request("GET", path, headers=headers, **query)

    def post(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, **query: Any) -> Answer:
        return self.request("POST", path, body, headers=headers, **query)

    def patch(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("PATCH", path, body, headers=headers)

    def put(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("PUT", path, body, headers=headers)

    def delete(self, path: str, *, headers: Mapping[str, str] | None = None, **query: Any) -> Answer:
        return self.request("DELETE", path, headers=headers, **query)

    def request(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Answer:
        """``body`` goes out as it is where it is bytes, else as JSON."""
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        given = {name: value for name, value in query.items() if value is not None}
        target = f"{path}?{urlencode(given)}" if given else path
        raw = self.pool.request(method, self.url + target, body=body, headers=sent, timeout=DEADLINE, redirect=False)
        answer = Answer(raw.status, raw.headers, raw.data)
        check_described(self.document, method, path, answer)
        return answer

    def every(self, path: str, **query: Any) -> list[Any]:
        """All that a list holds, page after page."""
        found: list[Any] = []
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, **query)
            assert page.status == 200, page
            found += page.json["data"]
            cursor = page.json["next_cursor"]
            assert page.json["has_more"] is (cursor is not None)
            if cursor is None:
                return found


def check_described(document: Mapping[str, Any], method: str, path: str, answer: Answer) -> None:
    operation = operation_of(document, method, path)
    if operation is None:
        return
    assert str(answer.status) in operation["responses"], f"{method} {path} answers {answer} without saying so"
    if answer.status >= 400:
        told = operation["responses"][str(answer.status)]["description"]
        assert f"`{answer.code}`" in told, f"{method} {path} answers {answer.code} without saying so"


def operation_of(document: Mapping[str, Any], method: str, path: str) -> dict[str, Any] | None:
    """What ``document`` says of a request; the path with fewest variables is the one meant."""
    wanted = urlsplit(path).path
    for template in sorted(document["paths"], key=lambda template: str(template).count("{")):
        if _pattern(template).fullmatch(wanted):
            found: dict[str, Any] | None = document["paths"][template].get(method.lower())
            return found
    return None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)))


@contextmanager
def served(app: FastAPI, http: type[asyncio.Protocol] | None = None) -> Iterator[str]:
    """Serves ``app`` on a free port of 127.0.0.1, by the protocol ``http`` if that is told; gives the URL."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen()
    config = uvicorn.Config(app, http=http or "auto", log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(server.serve([bound]),), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        bound.close()


def job_when(api: Api, job: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The job's JSON as soon as it fulfils ``condition``."""
    until = time.monotonic() + DEADLINE
    while not condition(shown := api.get(f"/v1/jobs/{job}").json):
        assert time.monotonic() < until, shown
        time.sleep(0.02)
    return dict(shown)


def ended(api: Api, job: str) -> dict[str, Any]:
    """The job's JSON once it waits for nobody."""
    return job_when(api, job, lambda shown: shown["status"] not in ("pending", "running"))
