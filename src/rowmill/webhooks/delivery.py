"""Webhooks and their deliveries, and what follows a try: the retry rule. Pure; ``rowmill.webhooks.sender`` acts
on it.

Source: Standard Webhooks 1.0.0, "Deliverability and reliability" and "Delivery success and failure".
"""

from dataclasses import dataclass
from random import Random
from typing import Final, get_args

from rowmill.shapes.events import StatusEvent
from rowmill.shapes.webhooks import DeliveryStatus, WebhookEventType

EVENT_TYPES: tuple[StatusEvent, ...] = get_args(StatusEvent)
"""What a webhook can be told of."""

TEST: Final = "webhook.test"
"""The type of what is sent to try a webhook. It is sent once: whoever tries it is looking."""

SCHEDULE = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds after each failed try until the next: ten tries over three days."""

LONGEST_WAIT = 86_400.0
"""Seconds for which a receiver can put the next try off."""

_JITTER = 0.2
_GONE = 410


@dataclass(frozen=True, slots=True)
class Webhook:
    """``events`` are the types that it is told of, all where there are none; ``secret`` and ``old_secret``, which also
    signs until ``old_until``, are sealed. ``revision`` grows with every change that somebody makes."""

    id: str
    url: str
    events: list[StatusEvent]
    secret: str
    old_secret: str | None
    old_until: float | None
    active: bool
    revision: int
    created_at: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one webhook. ``payload`` is the text that is sent and signed; ``event`` the event's number, 0 for a
    test; ``tries`` how often it was tried since it was made or last asked for again; ``due_at`` the next try."""

    pk: int
    id: str
    webhook: str
    event: int
    type: WebhookEventType
    payload: str
    status: DeliveryStatus
    tries: int
    due_at: float | None
    created_at: float


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One try: ``duration`` in seconds; ``http_status`` where the receiver answered, ``error`` where that was not
    good."""

    at: float
    duration: float
    http_status: int | None
    error: str | None
    number: int = 0

    @property
    def taken(self) -> bool:
        """Whether the receiver took it: answered with a 2xx."""
        return self.error is None

    @property
    def gone(self) -> bool:
        """Whether the receiver wants to be told nothing any more."""
        return self.http_status == _GONE


@dataclass(frozen=True, slots=True)
class Again:
    """It is tried again in ``delay`` seconds."""

    delay: float


Ruling = DeliveryStatus | Again


def rule(delivery: Delivery, attempt: DeliveryAttempt, retry_after: float | None, random: Random) -> Ruling:
    """What follows ``attempt`` of ``delivery``: how it ends, or when it is tried again. ``retry_after`` is for how many
    seconds the receiver asked to wait, which puts the next try off but never brings it forward."""
    if attempt.taken:
        return DeliveryStatus.DELIVERED
    if attempt.gone or delivery.type == TEST or delivery.tries >= len(SCHEDULE):
        return DeliveryStatus.FAILED
    planned = SCHEDULE[delivery.tries] * random.uniform(1 - _JITTER, 1 + _JITTER)
    return Again(max(planned, min(retry_after or 0.0, LONGEST_WAIT)))
