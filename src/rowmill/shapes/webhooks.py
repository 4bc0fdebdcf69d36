"""Webhooks and what they are sent."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from rowmill.shapes.base import Json, Shape
from rowmill.shapes.events import DeletedJob, StatusEvent
from rowmill.shapes.jobs import JobSummary

WebhookEventType = Literal[StatusEvent, "webhook.test"]


@dataclass(frozen=True)
class Webhook(Shape):
    """A URL that job events are sent to."""

    id: str
    """Such as `whk_4m1x2y3z5a6b`."""
    url: str
    events: list[StatusEvent]
    """The events that are sent; all if empty."""
    active: bool
    """False also after the receiver answered 410 Gone."""
    created_at: datetime


@dataclass(frozen=True)
class NewWebhook(Webhook):
    """A webhook with its new secret."""

    secret: str = field(repr=False)
    """Verifies signatures according to Standard Webhooks. It is never shown again."""


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class DeliveryAttempt(Shape):
    """One attempt to deliver an event."""

    number: int
    at: datetime
    duration_seconds: float
    http_status: int | None
    """Null if the receiver did not answer."""
    error: str | None
    """Why the attempt failed; null if it succeeded."""


@dataclass(frozen=True)
class Delivery(Shape):
    """One event on its way to one webhook."""

    id: str
    """Sent as `webhook-id`, the same with every attempt. Such as `msg_4m1x2y3z5a6b`."""
    type: WebhookEventType
    status: DeliveryStatus
    payload: Json
    """The request body."""
    created_at: datetime
    next_attempt_at: datetime | None
    """When the next attempt is made. During an attempt: when the next one is made if this one is never finished."""
    attempts: list[DeliveryAttempt]
    """The last 20, newest first."""


@dataclass(frozen=True)
class WebhookTest(Shape):
    """The webhook that is being tested."""

    webhook: str
    """Such as `whk_4m1x2y3z5a6b`."""


@dataclass(frozen=True)
class WebhookEvent(Shape):
    """The body of a webhook request."""

    type: WebhookEventType
    timestamp: datetime
    """When the event happened."""
    data: JobSummary | DeletedJob | WebhookTest
    """The job as it was when the delivery was created, with the `status` and `pause_reason` that the event led to; for
    `webhook.test` the webhook."""
