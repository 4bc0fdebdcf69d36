"""Who is told of events, and what has been made of it by somebody else meanwhile."""

from dataclasses import replace

import pytest

from rowmill.core.errors import NotFound
from rowmill.ledger.store import Store
from rowmill.shapes.webhooks import DeliveryStatus
from rowmill.webhooks.deliveries import Deliveries
from rowmill.webhooks.store import Webhooks

from .bench import NOW, Bench

URL = "https://example.com/hooks"


def test_a_webhook_is_kept_as_it_was_made(store: Store, other: Store) -> None:
    made = Webhooks(store.database).create("whk_1", URL, ["job.failed"], "sealed", NOW)
    assert (made.url, made.events, made.secret, made.active, made.created_at) == (
        URL,
        ["job.failed"],
        "sealed",
        True,
        NOW,
    )
    assert Webhooks(other.database).get("whk_1") == made


def test_pages_go_through_all_webhooks(store: Store) -> None:
    for number in (3, 1, 4, 0, 6, 5, 2):
        Webhooks(store.database).create(f"whk_{number}", URL, [], "sealed", NOW)
    found, after = [], ""
    while page := Webhooks(store.database).page(after, 3):
        found += [webhook.id for webhook in page]
        after = found[-1]
    assert found == [f"whk_{number}" for number in range(7)]


def test_of_two_changes_to_the_same_revision_one_is_refused(store: Store, other: Store) -> None:
    made = Webhooks(store.database).create("whk_1", URL, [], "sealed", NOW)
    changed = Webhooks(store.database).update("whk_1", "http://a", ["job.failed"], made.revision, active=True)
    assert changed == replace(made, url="http://a", events=["job.failed"], revision=made.revision + 1)
    assert Webhooks(other.database).update("whk_1", "http://b", [], made.revision, active=True) is None
    assert not Webhooks(other.database).delete("whk_1", made.revision)
    assert Webhooks(other.database).get("whk_1") == changed
    assert Webhooks(other.database).delete("whk_1", made.revision + 1)
    with pytest.raises(NotFound):
        Webhooks(store.database).get("whk_1")


def test_rotating_keeps_the_secret_before(store: Store) -> None:
    made = Webhooks(store.database).create("whk_1", URL, [], "first", NOW)
    rotated = Webhooks(store.database).rotate("whk_1", "second", NOW + 60)
    assert rotated == replace(made, secret="second", old_secret="first", old_until=NOW + 60, revision=2)
    with pytest.raises(NotFound):
        Webhooks(store.database).rotate("whk_2", "second", NOW)


def test_a_webhook_is_told_of_what_happens_from_then_on(bench: Bench) -> None:
    deliveries = Deliveries(bench.store.database)
    bench.job()
    Webhooks(bench.store.database).create("whk_1", URL, [], "sealed", NOW)
    assert not deliveries.enqueue(lambda event: event.job, NOW)
    assert deliveries.page("whk_1") == []
    job = bench.browse.job(bench.job())
    deliveries.enqueue(lambda event: event.job, NOW)
    assert [delivery.payload for delivery in deliveries.page("whk_1")] == [job.id]


def test_what_happens_while_it_is_not_active_is_never_told(bench: Bench) -> None:
    webhooks, deliveries = Webhooks(bench.store.database), Deliveries(bench.store.database)
    made = webhooks.create("whk_1", URL, [], "sealed", NOW)
    bench.job()
    deliveries.enqueue(lambda event: "waiting", NOW)
    off = webhooks.update("whk_1", URL, [], made.revision, active=False)
    assert off
    assert not off.active
    assert deliveries.due("eng_1", NOW, 10, 60.0) == []
    assert [delivery.status for delivery in deliveries.page("whk_1")] == [DeliveryStatus.FAILED]
    bench.job()
    assert not deliveries.enqueue(lambda event: "while off", NOW)
    assert webhooks.update("whk_1", URL, [], off.revision, active=True)
    bench.job()
    deliveries.enqueue(lambda event: "after", NOW)
    assert [delivery.payload for delivery in deliveries.page("whk_1")] == ["after", "waiting"]
