"""However processes get in each other's way, every event becomes one delivery for each webhook that wants it."""

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowmill.ledger.events import Event
from rowmill.ledger.store import Store
from rowmill.webhooks.deliveries import _EVENTS_AT_ONCE, Deliveries
from rowmill.webhooks.delivery import EVENT_TYPES, Webhook
from rowmill.webhooks.store import Webhooks

from .bench import NOW

ids = map("whk_{}".format, count())
requests = st.lists(st.sampled_from(EVENT_TYPES), max_size=2, unique=True)
happen = st.tuples(st.just("happen"), st.lists(st.sampled_from(EVENT_TYPES), min_size=1, max_size=6))
many = st.tuples(st.just("happen"), st.just(["job.created"] * (_EVENTS_AT_ONCE + 1)))
create = st.tuples(st.just("create"), requests)
switch = st.tuples(st.just("switch"), st.integers(0, 9))
simple = happen | create | switch
nested = st.tuples(st.just("enqueue"), st.lists(simple, max_size=3))
enqueue = st.tuples(st.just("enqueue"), st.lists(simple | nested, max_size=3))
steps = st.lists(simple | many | enqueue, min_size=2, max_size=10)
"""What happens; the steps inside of an ``enqueue`` are taken by another process while it is between reading and
writing."""


class World:
    """Two processes, and what each webhook must have been told."""

    def __init__(self, stores: tuple[Store, Store]) -> None:
        self._stores = stores
        self._webhooks: list[Webhook] = []
        self.wanted: dict[str, list[int]] = {}
        self.told: set[str] = set()

    def take(self, steps: list[tuple[str, list]], turn: int = 0) -> None:  # type: ignore[type-arg]
        for verb, what in steps:
            getattr(self, f"_{verb}")(what, turn)

    def settle(self) -> None:
        while Deliveries(self._stores[0].database).enqueue(lambda event: "", NOW):
            pass

    def _happen(self, types: list[str], turn: int) -> None:
        with self._stores[turn % 2].database.transaction() as tx:
            for type_ in types:
                ((seq,),) = tx.execute(
                    """INSERT INTO events (type, job, job_type, status, at)
                       VALUES (?, 'job_1', 'import', 'pending', ?) RETURNING seq""",
                    (type_, NOW),
                )
                for webhook in self._webhooks:
                    if webhook.active and (not webhook.events or type_ in webhook.events):
                        self.wanted[webhook.id].append(seq)

    def _create(self, events: list[str], turn: int) -> None:
        webhook = Webhooks(self._stores[turn % 2].database).create(next(ids), "http://a", events, "sealed", NOW)
        self._webhooks.append(webhook)
        self.wanted[webhook.id] = []

    def _switch(self, which: int, turn: int) -> None:
        """Turns a webhook off or on. What it had not been told by then it never is."""
        if not self._webhooks:
            return
        store, place = self._stores[turn % 2], which % len(self._webhooks)
        webhook = self._webhooks[place]
        self.wanted[webhook.id] = _told(store, webhook.id)
        changed = Webhooks(store.database).update(
            webhook.id, webhook.url, webhook.events, webhook.revision, active=not webhook.active
        )
        assert changed
        self._webhooks[place] = changed

    def _enqueue(self, meanwhile: list[tuple[str, list]], turn: int) -> None:  # type: ignore[type-arg]
        pending = iter([meanwhile])

        def payload(event: Event) -> str:
            for inner in pending:
                self.take(inner, turn + 1)
                Deliveries(self._stores[(turn + 1) % 2].database).enqueue(lambda event: "", NOW)
            return ""

        Deliveries(self._stores[turn % 2].database).enqueue(payload, NOW)


def _told(store: Store, webhook: str) -> list[int]:
    return sorted(delivery.event for delivery in Deliveries(store.database).page(webhook, limit=100_000))


@pytest.mark.slow
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_every_event_becomes_one_delivery_for_each_webhook(
    store: Store,
    other: Store,
    steps: list[tuple[str, list]],  # type: ignore[type-arg]
) -> None:
    with store.database.transaction() as tx:
        tx.execute("DELETE FROM webhooks")
    world = World((store, other))
    world.take([("create", []), ("create", ["job.failed", "job.created"])])
    world.take(steps)
    world.settle()
    assert {id_: _told(store, id_) for id_ in world.wanted} == world.wanted
