"""What requests about webhooks carry."""

from typing import Annotated

from pydantic import Field

from rowmill.http.inputs import Input
from rowmill.webhooks.delivery import EVENT_TYPES

EventType = Annotated[str, Field(json_schema_extra={"enum": list(EVENT_TYPES)})]
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
