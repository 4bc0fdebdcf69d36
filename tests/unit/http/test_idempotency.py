import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from rowmill.api.app import create_app
from rowmill.api.live.hub import Hub
from rowmill.core.access import Access
from rowmill.http.context import Context
from rowmill.http.metrics import Metrics
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from rowmill.tokens.service import TokenAuthenticator
from rowmill.worker.maintenance import maintenance_tasks
from tests.support.serving import Answer, Api, served

STEP = {"processor": "http", "url": "https://api.example.com/{{id}}"}
JOB: dict[str, Any] = {"type": "enrichment", "rows": [{"id": 1}, {"id": 2}], "steps": [STEP], "start": False}
KEY = {"Idempotency-Key": "once"}
HOUR = 3600.0


def _told(answer: Answer) -> tuple[int, bytes, str, str]:
    """All of an answer that a client goes by."""
    return answer.status, answer.content, answer.headers["Location"], answer.headers["ETag"]


def _jobs(api: Api) -> int:
    return len(api.every("/v1/jobs"))


def test_the_same_request_gives_the_same_answer_and_one_job(api: Api) -> None:
    first = api.post("/v1/jobs", JOB, headers=KEY)
    assert first.status == 201
    assert "Idempotent-Replayed" not in first.headers
    api.post(f"/v1/jobs/{first.json['id']}/cancel")
    again = api.post("/v1/jobs", JOB, headers=KEY)
    assert _told(again) == _told(first)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert _jobs(api) == 1


def test_the_order_and_spacing_of_the_body_do_not_matter(api: Api) -> None:
    first = api.post("/v1/jobs", JOB, headers=KEY)
    again = api.post("/v1/jobs", dict(reversed(JOB.items())), headers=KEY)
    assert _told(again) == _told(first)


def test_without_a_key_each_request_makes_a_job(api: Api) -> None:
    assert api.post("/v1/jobs", JOB).json["id"] != api.post("/v1/jobs", JOB).json["id"]


def test_eight_at_once_make_one_job(api: Api) -> None:
    together = threading.Barrier(8)
    answers: list[Answer] = []

    def send() -> None:
        together.wait()
        answers.append(api.post("/v1/jobs", JOB, headers=KEY))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len({_told(answer) for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 7
    assert _jobs(api) == 1


def test_the_answer_outlives_the_server(api: Api, home: Path, document: dict[str, Any]) -> None:
    first = api.post("/v1/jobs", JOB, headers=KEY)
    store = open_store(home)
    with served(create_app(Context(store, store.join(), TokenAuthenticator(store), Metrics(store)), Hub(store))) as url:
        again = Api(url, document).post("/v1/jobs", JOB, headers=KEY)
    store.close()
    assert _told(again) == _told(first)
    assert _jobs(api) == 1


_KILLED = """
import os, signal, socket, sys, uvicorn
from rowmill.api.app import create_app
from rowmill.http.context import Context
from rowmill.api.live.hub import Hub
from rowmill.http.metrics import Metrics
from rowmill.ledger.opening import open_store
from rowmill.ledger.requests import Requests
from rowmill.tokens.service import TokenAuthenticator

Requests.answer = lambda *told: os.kill(os.getpid(), signal.SIGKILL)
store = open_store()
bound = socket.socket()
bound.bind(("127.0.0.1", 0))
bound.listen()
print(bound.getsockname()[1], flush=True)
app = create_app(Context(store, store.join(), TokenAuthenticator(store), Metrics(store)), Hub(store))
uvicorn.Server(uvicorn.Config(app, log_config=None)).run([bound])
"""
"""A server that is killed when it has made what it was asked for, and has not noted its answer yet."""


def test_a_job_that_was_made_before_the_server_was_killed_is_found_again(api: Api, home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _KILLED], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1/jobs"
        with pytest.raises(urllib3.exceptions.HTTPError):
            urllib3.request("POST", url, json=JOB, headers=KEY, retries=False)
    assert server.returncode == -signal.SIGKILL
    [made] = api.every("/v1/jobs")
    found = api.post("/v1/jobs", JOB, headers=KEY)
    assert (found.status, found.json["id"]) == (201, made["id"])
    assert _told(api.post("/v1/jobs", JOB, headers=KEY)) == _told(found)
    assert _jobs(api) == 1


def test_a_job_that_was_made_before_an_internal_error_is_found_again(api: Api, context: Context) -> None:
    def fail() -> None:
        raise RuntimeError("after the job was made")

    context.wake = fail
    assert api.post("/v1/jobs", JOB, headers=KEY).status == 500
    api = Api(api.url, api.document)  # the server has closed the connection
    [made] = api.every("/v1/jobs")
    context.wake = lambda: None
    assert api.post("/v1/jobs", JOB, headers=KEY).json["id"] == made["id"]
    assert _jobs(api) == 1


def test_another_body_is_refused(api: Api) -> None:
    first = api.post("/v1/jobs", JOB, headers=KEY)
    refused = api.post("/v1/jobs", {**JOB, "name": "other"}, headers=KEY)
    assert (refused.status, refused.code) == (422, "idempotency_key_reused")
    assert _told(api.post("/v1/jobs", JOB, headers=KEY)) == _told(first)
    assert _jobs(api) == 1


def test_a_key_belongs_to_its_token(guarded: Api, token: Callable[[Access], str]) -> None:
    other = guarded.with_token(token(Access.RUN))
    first = guarded.post("/v1/jobs", JOB, headers=KEY)
    second = other.post("/v1/jobs", {**JOB, "name": "of another"}, headers=KEY)
    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] != second.json["id"]


@pytest.mark.parametrize("wrong", [{"rows": None}, {"steps": []}, {"select": "9"}, {"dataset": "reviews"}])
def test_a_refused_request_leaves_its_key_free(api: Api, wrong: dict[str, Any]) -> None:
    assert api.post("/v1/jobs", {**JOB, **wrong}, headers=KEY).status in (404, 422)
    assert api.post("/v1/jobs", JOB, headers=KEY).status == 201


def test_a_key_is_forgotten_after_a_day(api: Api, store: Store) -> None:
    began = store.clock()
    now = began
    store.clock = lambda: now
    hourly = maintenance_tasks(store)

    def an_hour_later() -> None:
        nonlocal now
        now += HOUR
        for chore in hourly:
            chore()

    first = api.post("/v1/jobs", JOB, headers=KEY)
    while now < began + 23 * HOUR:
        an_hour_later()
    assert _told(api.post("/v1/jobs", JOB, headers=KEY)) == _told(first)
    an_hour_later()
    an_hour_later()
    assert api.post("/v1/jobs", {**JOB, "name": "of the next day"}, headers=KEY).status == 201
    assert _jobs(api) == 2


def test_answers_are_kept_encrypted(api: Api, store: Store) -> None:
    made = api.post("/v1/jobs", {**JOB, "metadata": {"note": "quite secret"}}, headers=KEY)
    [(kept,)] = store.database.read("SELECT answer FROM requests")
    assert all(word not in kept for word in (made.json["id"], "quite secret", "{", "enrichment"))


@pytest.mark.parametrize("key", ["", "a" * 256, "two words", "ü"])
def test_what_is_no_key_is_refused(api: Api, key: str) -> None:
    refused = api.post("/v1/jobs", JOB, headers={"Idempotency-Key": key.encode().decode("latin-1")})
    assert refused.code == "invalid_request"
    assert [error["field"] for error in refused.json["errors"]] == ["Idempotency-Key"]
