from random import Random

import pytest

from rowmill.shapes.webhooks import DeliveryStatus, WebhookEventType
from rowmill.webhooks.delivery import (
    EVENT_TYPES,
    LONGEST_WAIT,
    SCHEDULE,
    TEST,
    Again,
    Delivery,
    DeliveryAttempt,
    Ruling,
    rule,
)

HOUR = 3600.0


def _rule(
    http_status: int | None,
    tries: int = 0,
    retry_after: float | None = None,
    type_: WebhookEventType = "job.failed",
    seed: int = 1,
) -> Ruling:
    delivery = Delivery(1, "msg_1", "whk_1", 1, type_, "{}", DeliveryStatus.PENDING, tries, None, 0.0)
    good = http_status is not None and 200 <= http_status < 300
    attempt = DeliveryAttempt(0.0, 0.1, http_status, None if good else "It was not taken.")
    return rule(delivery, attempt, retry_after, Random(seed))


def test_the_events_are_those_of_a_jobs_life() -> None:
    assert EVENT_TYPES == (
        "job.created",
        "job.pending",
        "job.running",
        "job.paused",
        "job.completed",
        "job.failed",
        "job.cancelled",
        "job.deleted",
    )


def test_what_is_taken_is_delivered() -> None:
    assert _rule(204, tries=5) is DeliveryStatus.DELIVERED


@pytest.mark.parametrize("http_status", [None, 301, 400, 404, 429, 500, 503])
def test_what_is_not_taken_is_tried_again(http_status: int | None) -> None:
    assert isinstance(_rule(http_status), Again)


def test_ten_tries_span_three_days() -> None:
    assert len(SCHEDULE) == 9
    assert sum(SCHEDULE) == 75 * HOUR + 35 * 60 + 5
    assert _rule(500, tries=9) is DeliveryStatus.FAILED


def test_waits_follow_the_schedule_give_or_take_a_fifth() -> None:
    for tries, planned in enumerate(SCHEDULE):
        rulings = [_rule(500, tries, seed=seed) for seed in range(50)]
        waits = [ruling.delay for ruling in rulings if isinstance(ruling, Again)]
        assert len(waits) == 50
        assert 0.8 * planned <= min(waits) < planned < max(waits) <= 1.2 * planned


def test_a_receiver_may_put_the_next_try_off_but_not_bring_it_forward_nor_put_it_off_for_ever() -> None:
    assert _rule(429, 0, retry_after=60.0) == Again(60.0)
    assert _rule(503, 0, retry_after=1e9) == Again(LONGEST_WAIT)
    assert _rule(503, 3, retry_after=1.0) == _rule(503, 3)
    assert _rule(503, 9, retry_after=60.0) is DeliveryStatus.FAILED


def test_who_is_gone_is_not_tried_again() -> None:
    assert _rule(410) is DeliveryStatus.FAILED


def test_a_test_is_sent_once() -> None:
    assert _rule(500, type_=TEST) is DeliveryStatus.FAILED
    assert _rule(200, type_=TEST) is DeliveryStatus.DELIVERED
