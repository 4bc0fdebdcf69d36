import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import pytest

from rowmill.core.access import Access
from rowmill.engine.runtime import RealRuntime
from rowmill.ledger.store import Store
from rowmill.webhooks.deliveries import Deliveries
from rowmill.webhooks.sender import WebhookSender
from tests.support.deadline import DEADLINE
from tests.support.made import make
from tests.support.serving import Api

T = TypeVar("T")

HOOKS = "/v1/webhooks"
URL = "https://example.com/hooks"


def _create(api: Api, **more: Any) -> dict[str, Any]:
    answer = api.post(HOOKS, {"url": URL, **more})
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.json
    return made


@pytest.fixture
def hook(api: Api) -> str:
    """The path of a webhook."""
    return f"{HOOKS}/{_create(api)['id']}"


def test_a_secret_is_shown_at_creation_and_never_again(api: Api) -> None:
    answer = api.post(HOOKS, {"url": URL, "events": ["job.failed", "job.completed"]})
    made = answer.json
    assert answer.headers["location"] == f"{HOOKS}/{made['id']}"
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["events"] == ["job.failed", "job.completed"]
    assert made["active"] is True
    shown = api.get(f"{HOOKS}/{made['id']}")
    assert shown.json == made
    assert shown.headers["etag"] == answer.headers["etag"]
    assert api.every(HOOKS) == [made]
    changed = api.patch(f"{HOOKS}/{made['id']}", {"active": False})
    for each in (shown, changed, api.get(f"{HOOKS}/{made['id']}/deliveries")):
        assert b"whsec_" not in each.content


def test_the_same_request_again_gives_the_same_secret_and_one_webhook(api: Api) -> None:
    first, again = (api.post(HOOKS, {"url": URL}, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert first.json == again.json
    assert first.json["secret"]
    assert len(api.every(HOOKS)) == 1


def test_pages_hold_every_webhook_once(api: Api) -> None:
    ids = {_create(api)["id"] for _ in range(5)}
    found = [webhook["id"] for webhook in api.every(HOOKS, limit=2)]
    assert len(found) == 5
    assert set(found) == ids


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ({"url": "ftp://example.com"}, "usage"),
        ({"url": "https://user:password@example.com"}, "usage"),
        ({"url": "https://example.com:99999"}, "usage"),
        ({"url": f"{URL}/{'x' * 2000}"}, "invalid_request"),
        ({"url": URL, "events": ["job.complete"]}, "usage"),
        ({"url": URL, "secret": "mine"}, "invalid_request"),
    ],
)
def test_what_cannot_be_told_is_refused(api: Api, body: dict[str, Any], code: str) -> None:
    answer = api.post(HOOKS, body)
    assert (answer.status, answer.code) == (422, code)
    assert api.every(HOOKS) == []


def test_an_address_that_is_none_is_refused_in_words(api: Api, hook: str) -> None:
    for answer in (api.post(HOOKS, {"url": "ftp://example.com"}), api.patch(hook, {"url": "ftp://example.com"})):
        assert (answer.status, answer.code) == (422, "usage")
        assert answer.json["detail"].startswith("The URL of a webhook must be http:// or https://")
        assert "pattern" not in str(answer.json)


def test_a_change_made_without_seeing_the_last_is_refused(api: Api, hook: str) -> None:
    etag = api.get(hook).headers["etag"]
    changed = api.patch(hook, {"events": ["job.failed"]}, headers={"If-Match": etag})
    assert changed.json["events"] == ["job.failed"]
    late = api.patch(hook, {"active": False}, headers={"If-Match": etag})
    assert (late.status, late.code) == (412, "precondition_failed")
    assert api.delete(hook, headers={"If-Match": etag}).status == 412
    assert api.get(hook).json == changed.json
    assert api.patch(hook, {"active": False}, headers={"If-Match": changed.headers["etag"]}).json["active"] is False
    assert api.patch(hook, {"url": "http://example.com/new"}).json["url"] == "http://example.com/new"
    assert api.delete(hook, headers={"If-Match": api.get(hook).headers["etag"]}).status == 204
    assert api.get(hook).code == "not_found"


def test_a_rotated_secret_is_shown_once_and_is_another(api: Api) -> None:
    made = _create(api)
    rotated = api.post(f"{HOOKS}/{made['id']}/rotate")
    assert rotated.json["secret"].startswith("whsec_")
    assert rotated.json["secret"] != made["secret"]
    assert "secret" not in api.get(f"{HOOKS}/{made['id']}").json


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate"),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("POST", "/deliveries/msg_1/redeliver"),
    ],
)
def test_a_webhook_that_is_not_there(api: Api, method: str, path: str) -> None:
    answer = api.request(method, f"{HOOKS}/whk_1{path}", {} if method == "PATCH" else None)
    assert (answer.status, answer.code) == (404, "not_found")


def test_a_delivery_that_is_not_there(api: Api, hook: str) -> None:
    assert api.post(f"{hook}/deliveries/msg_1/redeliver").code == "not_found"


def test_only_an_admin_sees_and_changes_them(guarded: Api, token: Callable[[Access], str]) -> None:
    hook = f"{HOOKS}/{_create(guarded)['id']}"
    for scope in (Access.READ, Access.RUN):
        api = guarded.with_token(token(scope))
        refused = [api.get(path) for path in (HOOKS, hook, f"{hook}/deliveries")]
        refused += [api.post(HOOKS, {"url": URL}), api.patch(hook, {}), api.delete(hook)]
        refused += [api.post(f"{hook}{path}") for path in ("/rotate", "/test", "/deliveries/msg_1/redeliver")]
        assert {answer.code for answer in refused} == {"forbidden"}


def test_the_log_shows_what_was_sent_and_how_it_went(api: Api, store: Store, hook: str) -> None:
    with _receiving(500) as url, _sending(store) as sent:
        api.patch(hook, {"url": url})
        test = api.post(f"{hook}/test").json
        assert test["status"] == "pending"
        sent(1)
        job = make(store)
        sent(2)
    first, second = api.get(f"{hook}/deliveries").json["data"]
    assert (first["type"], first["status"], first["payload"]["data"]["id"]) == ("job.created", "pending", job.id)
    assert first["next_attempt_at"]
    assert (second["id"], second["type"], second["status"]) == (test["id"], "webhook.test", "failed")
    assert second["next_attempt_at"] is None
    (attempt,) = second["attempts"]
    assert (attempt["number"], attempt["http_status"]) == (1, 500)
    assert attempt["error"] == "The receiver answered 500."
    assert api.get(f"{hook}/deliveries", status="failed").json["data"] == [second]


def test_a_delivery_can_be_asked_for_again(api: Api, store: Store, hook: str) -> None:
    with _receiving(200) as url, _sending(store) as sent:
        api.patch(hook, {"url": url})
        path = f"{hook}/deliveries/{api.post(f'{hook}/test').json['id']}"
        sent(1)
        again = api.post(f"{path}/redeliver").json
        assert (again["status"], len(again["attempts"])) == ("pending", 1)
        sent(2)
    (delivery,) = api.get(f"{hook}/deliveries").json["data"]
    assert delivery["status"] == "delivered"
    assert [attempt["number"] for attempt in delivery["attempts"]] == [2, 1]


def test_the_log_is_paged(api: Api, hook: str) -> None:
    ids = [api.post(f"{hook}/test").json["id"] for _ in range(5)]
    assert [delivery["id"] for delivery in api.every(f"{hook}/deliveries", limit=2)] == ids[::-1]


def test_a_test_that_is_asked_for_twice_with_one_key_is_sent_once(api: Api, hook: str) -> None:
    answers = [api.post(f"{hook}/test", headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert len(api.every(f"{hook}/deliveries")) == 1


@contextmanager
def _receiving(status: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(DEADLINE)


class _Telling(RealRuntime):
    """Tells of every try that has been recorded."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._recorded = threading.Semaphore(0)
        self._tries = 0

    def save(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        return self._save(function, *args)

    def wait(self, tries: int) -> None:
        """Waits until so many have been recorded."""
        while self._tries < tries:
            assert self._recorded.acquire(timeout=DEADLINE)
            self._tries += 1

    async def _save(self, function: Callable[..., T], *args: Any) -> T:
        done = await super().save(function, *args)
        if getattr(function, "__func__", None) is Deliveries.record:
            self._recorded.release()
        return done


@contextmanager
def _sending(store: Store) -> Iterator[Callable[[int], None]]:
    """Sends what is due, in a thread; gives what waits until so many tries have been recorded."""
    runtime = _Telling(store)
    sender = WebhookSender(store, allow_private=True, runtime=runtime)
    thread = threading.Thread(target=lambda: asyncio.run(sender.run()), daemon=True)
    thread.start()
    try:
        yield runtime.wait
    finally:
        sender.stop()
        thread.join(DEADLINE)
        runtime.close()
