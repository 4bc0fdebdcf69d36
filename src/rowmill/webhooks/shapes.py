"""Webhooks and their deliveries."""

from typing import Annotated, Any

from pydantic import Field

from rowmill.core.status import JobStatus, JobType, PauseReason
from rowmill.shapes.base import Input, Json, Moment, Output
from rowmill.shapes.jobs import JobErrorOutput
from rowmill.webhooks.delivery import EVENT_TYPES, TEST, DeliveryStatus


def _one_of(names: tuple[str, ...]) -> Any:
    return Field(json_schema_extra={"enum": list(names)})


EventType = Annotated[str, _one_of(EVENT_TYPES)]
Events = Annotated[
    list[EventType], Field(max_length=50, description="What it is told of; everything where there is none.")
]
Url = Annotated[
    str,
    Field(
        max_length=2000,
        description="Where events are sent to: http:// or https://, without user name and password.",
        examples=["https://example.com/rowmill"],
    ),
]


class WebhookInput(Input):
    url: Url
    events: Events = Field(default_factory=list, examples=[["job.completed", "job.failed", "job.paused"]])


class WebhookChange(Input):
    """What is not given, or null, stays."""

    url: Url | None = None
    events: Events | None = None
    active: bool | None = Field(None, description="What happens while it is not active is never told.")


class WebhookOutput(Output):
    """Somebody who is told of what happens to jobs."""

    id: str = Field(examples=["whk_4m1x2y3z5a6b"])
    url: str
    events: list[EventType]
    active: bool = Field(description="False once its receiver has answered 410 Gone, too.")
    created_at: Moment


class WebhookWithSecret(WebhookOutput):
    """A webhook with its new secret."""

    secret: str = Field(
        description="Verifies signatures, after Standard Webhooks. It is never shown again.",
        examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC9EVtgNxTEg="],
    )


class DeliveryAttemptOutput(Output):
    """One try."""

    number: int
    at: Moment
    duration_seconds: float
    http_status: int | None = Field(description="Null where the receiver did not answer.")
    error: str | None = Field(description="Why it does not count as delivered; null where it does.")


class DeliveryOutput(Output):
    """One event on its way to one webhook."""

    id: str = Field(description="Sent as `webhook-id`, the same with every try.", examples=["msg_4m1x2y3z5a6b"])
    type: Annotated[str, _one_of((*EVENT_TYPES, TEST))]
    status: DeliveryStatus
    payload: Json = Field(description="What is sent.")
    created_at: Moment
    next_attempt_at: Moment | None = Field(
        description="When it is tried next; while it is being sent: from when on it is if nothing comes of that."
    )
    attempts: list[DeliveryAttemptOutput] = Field(description="The last 20, the newest first.")


class ToldJob(Output):
    """A job as it stood when the delivery was made, but for `status` and `pause_reason`, to which the event led. Of one
    that was deleted meanwhile all else is null."""

    id: str = Field(examples=["job_4m1x2y3z5a6b"])
    type: JobType
    name: str | None
    status: JobStatus
    pause_reason: PauseReason | None
    needs_attention: bool | None
    error: JobErrorOutput | None
    total: int | None
    processed: int | None
    succeeded: int | None
    failed: int | None
    skipped: int | None
    unprocessed: int | None
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    created_at: Moment | None
    started_at: Moment | None
    finished_at: Moment | None
    duration_seconds: float | None
    dataset: str | None
    metadata: Json | None
    deleted: bool


class TriedWebhook(Output):
    """Which webhook is tried."""

    webhook: str = Field(examples=["whk_4m1x2y3z5a6b"])


class WebhookEvent(Output):
    """What is sent to a webhook."""

    type: Annotated[str, _one_of((*EVENT_TYPES, TEST))]
    timestamp: Moment = Field(description="When it happened.")
    data: ToldJob | TriedWebhook = Field(description=f"The job; of `{TEST}` only the webhook.")
