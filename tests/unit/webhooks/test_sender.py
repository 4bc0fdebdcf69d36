import asyncio
import base64
import hashlib
import hmac
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from rowmill.core.errors import StoreError
from rowmill.ledger.store import Store
from rowmill.shapes.webhooks import DeliveryStatus
from rowmill.testing.http_protocol import HttpRequest, HttpResponse
from rowmill.webhooks import service as webhooks
from rowmill.webhooks.deliveries import Deliveries
from rowmill.webhooks.delivery import Webhook
from rowmill.webhooks.sender import POLL, WebhookSender
from rowmill.webhooks.store import Webhooks
from tests.support.receiver import OK, Receiver, Script, Stillness, receiver
from tests.support.work import make

NOW = 1_700_000_000.0


class World:
    """A store, a receiver that is told of all events, and a sender on time of ours."""

    def __init__(self, store: Store, received: Receiver) -> None:
        self.time = Stillness(NOW)
        store.clock = self.time.now
        self.store = store
        self.received = received
        self.senders: list[WebhookSender] = []
        self.secrets: dict[str, str] = {}
        self.add("whk_1")

    def add(self, id_: str, url: str | None = None, events: tuple[str, ...] = ()) -> Webhook:
        made, self.secrets[id_] = webhooks.create(self.store, id_, url or self.received.url, events)
        return made

    def test(self, *ids: str, webhook: str = "whk_1") -> None:
        for id_ in ids:
            webhooks.send_test(self.store, Webhooks(self.store.database).get(webhook), id_)

    def happen(self, reviews: Path) -> str:
        """Makes a job; returns its id."""
        return make(self.store, self.store.join(), reviews).id

    @asynccontextmanager
    async def sender(self, **options: Any) -> AsyncIterator[WebhookSender]:
        sender = WebhookSender(self.store, runtime=self.time, **{"allow_private": True, **options})
        self.senders.append(sender)
        running = asyncio.create_task(sender.run())
        try:
            yield sender
        finally:
            sender.stop()
            async with asyncio.timeout(20):
                await running

    def advance(self, seconds: float) -> None:
        """Lets time pass, also for a sender that is not resting at this moment."""
        self.time.advance(seconds)
        for sender in self.senders:
            sender.notify()

    async def ended(self, *ids: str, webhook: str = "whk_1") -> list[DeliveryStatus]:
        """Waits until these deliveries have ended; returns how."""
        get = Deliveries(self.store.database).get
        await self.time.until(lambda: all(get(webhook, id_).due_at is None for id_ in ids))
        return [get(webhook, id_).status for id_ in ids]

    async def tried(self, tries: int) -> None:
        """Waits until the first delivery has been tried so often, and recorded."""
        page = Deliveries(self.store.database).page
        await self.time.until(lambda: bool(found := page("whk_1")) and found[-1].tries >= tries)


def _in_world(store: Store, script: Script, act: Callable[[World], Coroutine[Any, Any, None]]) -> World:
    async def scenario() -> World:
        async with receiver(script) as received:
            world = World(store, received)
            await act(world)
            return world

    return asyncio.run(scenario())


def _ids(requests: list[HttpRequest]) -> list[str]:
    return [request.headers["webhook-id"] for request in requests]


def _signed_with(secret: str, request: HttpRequest) -> str:
    """The signature as Standard Webhooks tells receivers to compute it."""
    content = b".".join([request.headers[f"webhook-{name}"].encode() for name in ("id", "timestamp")] + [request.body])
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def test_an_event_is_sent_signed_and_recorded(store: Store, reviews: Path) -> None:
    async def act(world: World) -> None:
        async with world.sender():
            await world.time.until(lambda: world.time.rests == 1)
            job = world.happen(reviews)
            world.time.advance(POLL)
            await world.tried(1)
            (delivery,) = Deliveries(store.database).page("whk_1")
            assert delivery.status is DeliveryStatus.DELIVERED
            (attempt,) = Deliveries(store.database).attempts(delivery.pk)
            assert (attempt.http_status, attempt.error, attempt.at) == (204, None, NOW + POLL)
            told = orjson.loads(world.received.requests[0].body)
            assert (told["type"], told["data"]["id"]) == ("job.created", job)

    world = _in_world(store, lambda request: OK, act)
    (request,) = world.received.requests
    assert request.headers["webhook-timestamp"] == str(int(NOW))
    assert request.headers["webhook-signature"] == _signed_with(world.secrets["whk_1"], request)


def test_a_notice_sends_at_once(store: Store) -> None:
    async def act(world: World) -> None:
        async with world.sender() as sender:
            world.test("msg_1")
            threading.Thread(target=sender.notify).start()
            assert await world.ended("msg_1") == [DeliveryStatus.DELIVERED]

    _in_world(store, lambda request: OK, act)


def test_a_rotated_webhook_signs_with_both_secrets(store: Store) -> None:
    async def act(world: World) -> None:
        _, new = webhooks.rotate(store, Webhooks(store.database).get("whk_1"))
        world.test("msg_1")
        async with world.sender():
            await world.ended("msg_1")
        (request,) = world.received.requests
        secrets = (new, world.secrets["whk_1"])
        assert request.headers["webhook-signature"].split() == [_signed_with(each, request) for each in secrets]

    _in_world(store, lambda request: OK, act)


def test_what_fails_first_is_sent_again_with_the_same_id_and_body_and_a_new_time(store: Store, reviews: Path) -> None:
    answers = iter([HttpResponse(500, b"busy"), OK])

    async def act(world: World) -> None:
        world.happen(reviews)
        async with world.sender():
            await world.tried(1)
            assert Deliveries(store.database).page("whk_1")[0].status is DeliveryStatus.PENDING
            world.advance(6.0)
            await world.tried(2)
        (delivery,) = Deliveries(store.database).page("whk_1")
        assert delivery.status is DeliveryStatus.DELIVERED
        errors = [attempt.error for attempt in Deliveries(store.database).attempts(delivery.pk)]
        assert errors == [None, "The receiver answered 500. busy"]

    first, second = _in_world(store, lambda request: next(answers), act).received.requests
    assert _ids([first]) == _ids([second])
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) == int(first.headers["webhook-timestamp"]) + 6
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_a_receiver_that_never_takes_it_is_tried_ten_times_over_three_days(store: Store, reviews: Path) -> None:
    async def act(world: World) -> None:
        world.happen(reviews)
        async with world.sender():
            for tries in range(1, 11):
                await world.tried(tries)
                world.advance(86_400 * 1.2)
        (delivery,) = Deliveries(store.database).page("whk_1")
        assert (delivery.status, delivery.tries) == (DeliveryStatus.FAILED, 10)

    assert len(_in_world(store, lambda request: HttpResponse(500, b""), act).received.requests) == 10


def test_a_receiver_that_asks_to_wait_is_left_alone_for_as_long(store: Store, reviews: Path) -> None:
    async def act(world: World) -> None:
        world.happen(reviews)
        async with world.sender():
            await world.tried(1)
        assert Deliveries(store.database).page("whk_1")[0].due_at == NOW + 1000

    _in_world(store, lambda request: HttpResponse(503, b"", {"Retry-After": "1000"}), act)


def test_a_receiver_that_is_gone_is_told_nothing_any_more(store: Store, reviews: Path) -> None:
    async def act(world: World) -> None:
        world.happen(reviews)
        async with world.sender():
            await world.tried(1)
            assert not Webhooks(store.database).get("whk_1").active
            world.happen(reviews)
            world.advance(86_400.0)
        assert [each.status for each in Deliveries(store.database).page("whk_1")] == [DeliveryStatus.FAILED]

    assert len(_in_world(store, lambda request: HttpResponse(410, b""), act).received.requests) == 1


def test_private_addresses_are_not_called(store: Store) -> None:
    async def act(world: World) -> None:
        world.test("msg_1")
        async with world.sender(allow_private=False):
            assert await world.ended("msg_1") == [DeliveryStatus.FAILED]
        (attempt,) = Deliveries(store.database).attempts(Deliveries(store.database).get("whk_1", "msg_1").pk)
        assert "not on the public internet" in (attempt.error or "")

    assert _in_world(store, lambda request: OK, act).received.requests == []


def test_a_receiver_that_never_answers_does_not_hold_the_others_up(store: Store) -> None:
    slow = {f"msg_slow{n}" for n in range(9)}

    async def act(world: World) -> None:
        world.add("whk_2")
        world.test(*slow)
        async with world.sender(at_once=6, timeout=0.5):
            await world.received.came(4)
            quick = [f"msg_quick{n}" for n in range(20)]
            world.test(*quick, webhook="whk_2")
            world.advance(POLL)
            assert set(await world.ended(*quick, webhook="whk_2")) == {DeliveryStatus.DELIVERED}
            assert set(await world.ended(*slow)) == {DeliveryStatus.FAILED}

    def script(request: HttpRequest) -> HttpResponse | None:
        return None if request.headers["webhook-id"] in slow else OK

    ids = _ids(_in_world(store, script, act).received.requests)
    assert len(ids) == len(set(ids)) == 29
    # Four of them are under way when the others come, and no more at any time.
    assert len([id_ for id_ in ids[: 4 + 20] if id_ in slow]) <= 8


def test_no_more_than_a_few_are_under_way(store: Store) -> None:
    waiting: list[HttpRequest] = []

    async def act(world: World) -> None:
        ids = [f"msg_{n}" for n in range(6)]
        world.add("whk_2")
        world.test(*ids)
        world.test("msg_b", webhook="whk_2")
        async with world.sender(at_once=3, timeout=0.3):
            await world.received.came(3)
            assert len(world.received.requests) == 3
            await world.ended(*ids)

    world = _in_world(store, waiting.append, act)
    assert len(world.received.requests) == len(waiting) == 7


def test_a_stopped_sender_lets_what_is_under_way_end(store: Store) -> None:
    async def act(world: World) -> None:
        world.test("msg_1")
        async with world.sender(timeout=0.3):
            await world.received.came(1)
        assert Deliveries(store.database).get("whk_1", "msg_1").status is DeliveryStatus.FAILED

    _in_world(store, lambda request: None, act)


def test_a_cancelled_sender_leaves_what_is_under_way_to_the_next(store: Store) -> None:
    answers = iter([None, OK])

    async def act(world: World) -> None:
        world.test("msg_1")
        running = asyncio.create_task(WebhookSender(store, allow_private=True, runtime=world.time).run())
        await world.received.came(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        async with world.sender():
            assert await world.ended("msg_1") == [DeliveryStatus.DELIVERED]
        assert _ids(world.received.requests) == ["msg_1", "msg_1"]
        attempts = Deliveries(store.database).attempts(Deliveries(store.database).get("whk_1", "msg_1").pk)
        assert [attempt.error for attempt in attempts] == [None, "The server ended before it had an answer."]

    _in_world(store, lambda request: next(answers), act)


def test_a_secret_that_cannot_be_opened_is_a_failed_try(store: Store) -> None:
    async def act(world: World) -> None:
        Webhooks(store.database).rotate("whk_1", "this was never sealed", NOW)
        world.test("msg_1")
        async with world.sender():
            assert await world.ended("msg_1") == [DeliveryStatus.FAILED]
        (attempt,) = Deliveries(store.database).attempts(Deliveries(store.database).get("whk_1", "msg_1").pk)
        assert "sealed with another key" in (attempt.error or "")

    assert _in_world(store, lambda request: OK, act).received.requests == []


def test_a_store_that_fails_for_a_while_is_asked_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    due, failures = Deliveries(store.database).due, [StoreError("The disk is full.")] * 2

    def fails_at_first(*args: Any) -> Any:
        if failures:
            raise failures.pop()
        return due(*args)

    monkeypatch.setattr(Deliveries(store.database), "due", fails_at_first)

    async def act(world: World) -> None:
        world.test("msg_1")
        async with world.sender():
            for rest in (1, 2):
                await world.time.until(lambda rest=rest: world.time.rests == rest)  # type: ignore[misc]
                world.time.advance(POLL)
            assert await world.ended("msg_1") == [DeliveryStatus.DELIVERED]

    _in_world(store, lambda request: OK, act)


def test_two_senders_on_one_store_send_everything_once(store: Store, reviews: Path) -> None:
    async def act(world: World) -> None:
        async with world.sender(), world.sender():
            for _ in range(30):
                store.control.cancel(make(store, "eng", reviews, new=True).pk, NOW)
                world.advance(POLL)
                await asyncio.sleep(0)
            await world.time.until(
                lambda: len(Deliveries(store.database).page("whk_1", DeliveryStatus.DELIVERED)) == 60
            )

    ids = _ids(_in_world(store, lambda request: OK, act).received.requests)
    assert len(ids) == len(set(ids)) == 60
