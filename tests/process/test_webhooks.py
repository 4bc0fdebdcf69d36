"""``kill -9`` of those who tell webhooks of events: nothing goes untold, and nothing is told as two."""

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from rowmill.shapes.webhooks import DeliveryStatus
from rowmill.webhooks import service as webhooks
from rowmill.webhooks.deliveries import Deliveries
from rowmill.webhooks.store import Webhooks
from tests.support.deadline import DEADLINE

from .harness import Rowmill
from .servers import Asked, web_server

pytestmark = pytest.mark.xdist_group("process-kill")

_SENDER = """
import asyncio, sys
from pathlib import Path
from rowmill.engine.runtime import RealRuntime
from rowmill.webhooks.sender import WebhookSender
from rowmill.ledger.opening import open_store

class Telling(RealRuntime):
    async def save(self, function, *args):
        done = await super().save(function, *args)
        if function.__name__ == "record":
            print("recorded", flush=True)
        return done

asyncio.run(WebhookSender(open_store(Path(sys.argv[1])), allow_private=True, runtime=Telling()).run())
"""
_ENQUEUER = """
import sys, time
from pathlib import Path
from rowmill.ledger.opening import open_store

store = open_store(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    Deliveries(store.database).enqueue(lambda event: event.job, time.time())
"""


@pytest.fixture
def store(rowmill: Rowmill) -> Iterator[Store]:
    store = open_store(rowmill.home)
    yield store
    store.close()


@contextmanager
def _process(code: str, *words: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_what_was_sent_but_not_recorded_is_sent_again_under_the_same_id(rowmill: Rowmill, store: Store) -> None:
    arrived, held = threading.Event(), threading.Event()

    def answer(asked: Asked) -> tuple[int, bytes]:
        arrived.set()
        held.wait(DEADLINE)
        return 200, b""

    with web_server(answer) as server:
        webhook, _ = webhooks.create(store, "whk_1", server.url, [])
        webhooks.send_test(store, webhook, "msg_1")
        with _process(_SENDER, rowmill.home) as process:
            assert arrived.wait(DEADLINE)
            with store.database.transaction():  # so that it cannot be recorded
                held.set()
                process.kill()
                process.wait()
        waiting = Deliveries(store.database).get("whk_1", "msg_1")
        assert (waiting.status, waiting.tries) == (DeliveryStatus.PENDING, 0)
        with _process(_SENDER, rowmill.home) as process:
            assert _hear(process) == "recorded"
        first, second = server.asked
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "msg_1"
    assert first.body == second.body
    done = Deliveries(store.database).get("whk_1", "msg_1")
    assert done.status is DeliveryStatus.DELIVERED
    errors = [attempt.error for attempt in Deliveries(store.database).attempts(done.pk)]
    assert errors == [None, "The server ended before it had an answer."]


def test_events_become_one_delivery_each_however_often_processes_are_killed(rowmill: Rowmill, store: Store) -> None:
    seed = int(os.environ.get("ROWMILL_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"the same moments again: ROWMILL_TEST_SEED={seed}")
    chance = random.Random(seed)
    for number in range(5):
        Webhooks(store.database).create(f"whk_{number}", "http://127.0.0.1:9", [], "sealed", float(number))
    for _ in range(5):
        with _process(_ENQUEUER, rowmill.home) as one, _process(_ENQUEUER, rowmill.home) as other:
            assert _hear(one) == _hear(other) == "ready"
            for _ in range(chance.randint(5, 40)):
                _happen(store)
            chance.choice([one, other]).kill()
            for _ in range(chance.randint(5, 40)):
                _happen(store)
    while Deliveries(store.database).enqueue(lambda event: event.job, 0.0):
        pass
    events = [event.seq for event in store.events.after(0, 10_000)]
    for number in range(5):
        page = Deliveries(store.database).page(f"whk_{number}", limit=10_000)
        assert sorted(delivery.event for delivery in page) == events


def _happen(store: Store) -> None:
    with store.database.transaction() as tx:
        tx.execute(
            """INSERT INTO events (type, job, job_type, status, at)
               VALUES ('job.created', 'job_1', 'import', 'pending', 0)"""
        )
