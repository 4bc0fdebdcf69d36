"""A delivery is sent by one process at a time, until it is taken or given up."""

import pytest

from rowmill.core.errors import NotFound
from rowmill.ledger.store import Store
from rowmill.shapes.webhooks import DeliveryStatus
from rowmill.webhooks.deliveries import Deliveries
from rowmill.webhooks.delivery import Again, Delivery, DeliveryAttempt, Ruling
from rowmill.webhooks.store import Webhooks

from .bench import NOW, Bench

URL = "https://example.com/hooks"
LEASE = 70.0
TAKEN = DeliveryAttempt(NOW, 0.25, 204, None)
REFUSED = DeliveryAttempt(NOW, 0.25, 500, "The receiver answered 500.")
GONE = DeliveryAttempt(NOW, 0.25, 410, "The receiver answered 410.")


@pytest.fixture(autouse=True)
def webhook(store: Store) -> str:
    return Webhooks(store.database).create("whk_1", URL, [], "sealed", NOW).id


def _make(store: Store, *ids: str, webhook: str = "whk_1", at: float = NOW) -> None:
    for id_ in ids:
        Deliveries(store.database).add(id_, webhook, "webhook.test", "{}", at)


def _due(store: Store, at: float = NOW, limit: int = 10, **more: object) -> list[str]:
    sender = store.register()
    found = Deliveries(store.database).due(sender, at, limit, LEASE, **more)  # type: ignore[arg-type]
    return [delivery.id for delivery, _ in found]


def _claim(store: Store, at: float = NOW, sender: str = "") -> Delivery:
    ((delivery, webhook),) = Deliveries(store.database).due(sender or store.register(), at, 1, LEASE)
    assert webhook == Webhooks(store.database).get(delivery.webhook)
    return delivery


def _record(
    store: Store, delivery: Delivery, attempt: DeliveryAttempt, ruling: Ruling = DeliveryStatus.FAILED, at: float = NOW
) -> Delivery:
    Deliveries(store.database).record(delivery, URL, attempt, ruling, at)
    return Deliveries(store.database).get(delivery.webhook, delivery.id)


def test_events_become_deliveries_of_the_types_that_a_webhook_wants(bench: Bench) -> None:
    store = bench.store
    Webhooks(store.database).create("whk_2", URL, ["job.cancelled", "job.created"], "sealed", NOW)
    job = bench.completed()
    store.control.delete(job, NOW)
    store.control.cancel(bench.job(), NOW)
    assert not Deliveries(store.database).enqueue(lambda event: f"{event.type} {event.job}", NOW + 1)
    all_, some = (list(reversed(Deliveries(store.database).page(id_))) for id_ in ("whk_1", "whk_2"))
    assert [each.event for each in all_] == [event.seq for event in store.events.after(0, 100)]
    assert [each.type for each in some] == ["job.created", "job.created", "job.cancelled"]
    assert [each.payload for each in some] == [
        each.payload for each in all_ if each.type in ("job.created", "job.cancelled")
    ]
    assert {(each.status, each.tries, each.due_at) for each in all_} == {(DeliveryStatus.PENDING, 0, NOW + 1)}
    assert len({each.id for each in all_ + some}) == len(all_) + len(some)


def test_many_events_are_taken_some_at_a_time(bench: Bench) -> None:
    jobs = 60
    for _ in range(jobs):
        bench.control.cancel(bench.job(1), NOW)
    assert Deliveries(bench.store.database).enqueue(lambda event: "", NOW)
    while Deliveries(bench.store.database).enqueue(lambda event: "", NOW):
        pass
    assert len(Deliveries(bench.store.database).page("whk_1", limit=1000)) == 2 * jobs


def test_what_one_process_has_claimed_no_other_gets_before_the_lease_is_over(store: Store, other: Store) -> None:
    _make(store, "msg_1", "msg_2", "msg_3")
    assert _due(store, limit=2) == ["msg_1", "msg_2"]
    assert _due(other) == ["msg_3"]
    assert _due(store) == _due(other, NOW + LEASE - 1) == []
    assert _due(other, NOW + LEASE) == ["msg_1", "msg_2", "msg_3"]


def test_what_a_dead_sender_was_sending_is_due_at_once_and_its_broken_try_noted_but_not_counted(
    store: Store, other: Store
) -> None:
    _make(store, "msg_1", "msg_2", "msg_3")
    dead, living = other.register(), store.register()
    for sender in (dead, living):
        _claim(store, sender=sender)
    other.presence.deregister(dead)
    Deliveries(store.database).free(store.presence, NOW + 2)
    freed, going, waiting = (Deliveries(store.database).get("whk_1", id_) for id_ in ("msg_1", "msg_2", "msg_3"))
    assert (freed.status, freed.tries, freed.due_at) == (DeliveryStatus.PENDING, 0, NOW + 2)
    broken = DeliveryAttempt(NOW, 0.0, None, "The server ended before it had an answer.", number=1)
    assert Deliveries(store.database).attempts(freed.pk) == [broken]
    assert going.due_at == NOW + LEASE
    assert Deliveries(store.database).attempts(going.pk) == Deliveries(store.database).attempts(waiting.pk) == []
    Deliveries(store.database).free(store.presence, NOW + 3)
    assert Deliveries(store.database).attempts(freed.pk) == [broken]
    assert set(_due(store, NOW + 2)) == {"msg_1", "msg_3"}


@pytest.mark.parametrize("how", ["taken", "put off", "given up", "asked for again"])
def test_what_a_sender_is_done_with_is_not_broken_off_when_it_dies(store: Store, how: str) -> None:
    _make(store, "msg_1")
    sender = store.register()
    claimed = _claim(store, sender=sender)
    match how:
        case "taken":
            _record(store, claimed, TAKEN, DeliveryStatus.DELIVERED)
        case "put off":
            _record(store, claimed, REFUSED, Again(300.0))
        case "given up":
            Webhooks(store.database).update("whk_1", URL, [], 1, active=False)
        case _:
            Deliveries(store.database).redeliver("whk_1", "msg_1", NOW)
    before = Deliveries(store.database).get("whk_1", "msg_1"), Deliveries(store.database).attempts(claimed.pk)
    store.presence.deregister(sender)
    Deliveries(store.database).free(store.presence, NOW + 2)
    assert (Deliveries(store.database).get("whk_1", "msg_1"), Deliveries(store.database).attempts(claimed.pk)) == before


def test_nothing_is_claimed_before_it_is_due(store: Store) -> None:
    _make(store, "msg_1", at=NOW + 5)
    assert _due(store, NOW + 4.9) == []
    assert _due(store, NOW + 5) == ["msg_1"]


def test_a_webhook_with_a_backlog_leaves_room_for_the_others(store: Store) -> None:
    for id_ in ("whk_2", "whk_3"):
        Webhooks(store.database).create(id_, URL, [], "sealed", NOW)
    _make(store, *(f"msg_{n}" for n in range(9)), at=NOW - 100)
    _make(store, "msg_b", webhook="whk_2", at=NOW - 50)
    _make(store, "msg_c", webhook="whk_3")
    assert _due(store, limit=3, each=4, under_way={"whk_1": 2}) == ["msg_b", "msg_c", "msg_0"]
    assert _due(store, each=4, under_way={"whk_1": 2}) == ["msg_1", "msg_2"]
    assert _due(store, each=4, under_way={"whk_1": 4}) == []
    assert _due(store, limit=0) == []


def test_what_is_taken_is_delivered_and_done(store: Store) -> None:
    _make(store, "msg_1")
    done = _record(store, _claim(store), TAKEN, DeliveryStatus.DELIVERED)
    assert (done.status, done.tries, done.due_at) == (DeliveryStatus.DELIVERED, 1, None)
    assert Deliveries(store.database).attempts(done.pk) == [DeliveryAttempt(NOW, 0.25, 204, None, number=1)]
    assert _due(store, NOW + 1e6) == []


def test_what_is_not_taken_is_due_again_after_its_delay(store: Store) -> None:
    _make(store, "msg_1")
    waiting = _record(store, _claim(store), REFUSED, Again(300.0), NOW + 1)
    assert (waiting.status, waiting.tries, waiting.due_at) == (DeliveryStatus.PENDING, 1, NOW + 301)
    assert _due(store, NOW + 300) == []
    ended = _record(store, _claim(store, NOW + 301), REFUSED)
    assert (ended.status, ended.tries, ended.due_at) == (DeliveryStatus.FAILED, 2, None)
    assert [attempt.number for attempt in Deliveries(store.database).attempts(ended.pk)] == [2, 1]


def test_who_comes_back_after_the_lease_does_not_undo_what_was_done_meanwhile(store: Store, other: Store) -> None:
    _make(store, "msg_1")
    late = _claim(store)
    taken = _claim(other, NOW + LEASE)
    assert _record(store, late, REFUSED, Again(5.0)).due_at == taken.due_at
    assert _record(other, taken, TAKEN, DeliveryStatus.DELIVERED).status is DeliveryStatus.DELIVERED
    ended = _record(store, late, REFUSED)
    assert (ended.status, ended.due_at) == (DeliveryStatus.DELIVERED, None)
    assert len(Deliveries(store.database).attempts(ended.pk)) == 3


def test_a_late_success_counts(store: Store, other: Store) -> None:
    _make(store, "msg_1")
    late = _claim(store)
    _record(other, _claim(other, NOW + LEASE), REFUSED)
    assert _record(store, late, TAKEN, DeliveryStatus.DELIVERED).status is DeliveryStatus.DELIVERED


def test_a_receiver_that_is_gone_is_told_nothing_any_more(store: Store) -> None:
    _make(store, "msg_1", "msg_2")
    claimed = _claim(store)
    assert _record(store, claimed, GONE).status is DeliveryStatus.FAILED
    assert not Webhooks(store.database).get("whk_1").active
    assert {each.status for each in Deliveries(store.database).page("whk_1")} == {DeliveryStatus.FAILED}
    assert _due(store, NOW + 1e6) == []


def test_a_receiver_that_has_moved_meanwhile_is_not_gone(store: Store) -> None:
    _make(store, "msg_1")
    claimed = _claim(store)
    Webhooks(store.database).update("whk_1", "https://example.com/new", [], 1, active=True)
    _record(store, claimed, GONE)
    assert Webhooks(store.database).get("whk_1").active


def test_a_delivery_is_sent_again_on_request_under_the_same_id(store: Store) -> None:
    _make(store, "msg_1")
    _record(store, _claim(store), REFUSED)
    again = Deliveries(store.database).redeliver("whk_1", "msg_1", NOW + 9)
    assert (again.id, again.status, again.tries) == ("msg_1", DeliveryStatus.PENDING, 0)
    done = _record(store, _claim(store, NOW + 9), TAKEN, DeliveryStatus.DELIVERED)
    assert [attempt.number for attempt in Deliveries(store.database).attempts(done.pk)] == [2, 1]


def test_a_delivery_is_found_at_its_own_webhook_only(store: Store) -> None:
    Webhooks(store.database).create("whk_2", URL, [], "sealed", NOW)
    _make(store, "msg_1")
    for find in (
        Deliveries(store.database).get,
        lambda webhook, id_: Deliveries(store.database).redeliver(webhook, id_, NOW),
    ):
        with pytest.raises(NotFound):
            find("whk_2", "msg_1")
    with pytest.raises(NotFound):
        _make(store, "msg_2", webhook="whk_3")


def test_pages_go_through_all_deliveries_and_attempts(store: Store) -> None:
    _make(store, *(f"msg_{n}" for n in range(7)))
    claimed = _claim(store)
    for _ in range(5):
        _record(store, claimed, REFUSED)
    found, before = [], 1 << 62
    while page := Deliveries(store.database).page("whk_1", before=before, limit=3):
        found += [delivery.id for delivery in page]
        before = page[-1].pk
    assert found == [f"msg_{n}" for n in reversed(range(7))]
    assert [each.id for each in Deliveries(store.database).page("whk_1", DeliveryStatus.FAILED)] == ["msg_0"]
    assert [each.number for each in Deliveries(store.database).attempts(claimed.pk, before=4, limit=2)] == [3, 2]


def test_forgetting_takes_what_has_ended_and_is_old_and_leaves_the_rest(bench: Bench) -> None:
    store = bench.store
    _make(store, "msg_1", "msg_2", at=NOW - 100)
    _record(store, _claim(store), REFUSED)
    _make(store, "msg_3")
    for _ in range(2):
        _record(store, _claim(store), TAKEN, DeliveryStatus.DELIVERED)
    _make(store, "msg_4", at=NOW - 100)
    Deliveries(store.database).forget(store.maintenance, NOW - 50)
    assert [each.id for each in Deliveries(store.database).page("whk_1")] == ["msg_4", "msg_3"]
    assert bench.count("delivery_attempts") == 1


def test_forgetting_takes_all_of_deleted_webhooks(bench: Bench) -> None:
    store = bench.store
    Webhooks(store.database).create("whk_2", URL, [], "sealed", NOW)
    _make(store, "msg_1", "msg_2")
    _make(store, "msg_3", webhook="whk_2")
    _record(store, _claim(store), REFUSED, Again(5.0))
    claimed = _claim(store)
    assert Webhooks(store.database).delete("whk_1")
    assert _due(store, NOW + 1e6) == ["msg_3"]
    Deliveries(store.database).forget(store.maintenance, 0.0)
    assert (bench.count("deliveries"), bench.count("delivery_attempts")) == (1, 0)
    Deliveries(store.database).record(claimed, URL, TAKEN, DeliveryStatus.DELIVERED, NOW)
    assert bench.count("delivery_attempts") == 0
