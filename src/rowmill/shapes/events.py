"""What an event stream tells."""

from typing import Literal

from pydantic import Field

from rowmill.core.status import JobStatus, JobType, PauseReason
from rowmill.shapes.base import Moment, Output
from rowmill.shapes.jobs import JobOutput

EventType = Literal[
    "job.created",
    "job.pending",
    "job.running",
    "job.paused",
    "job.completed",
    "job.failed",
    "job.cancelled",
    "job.deleted",
    "job.progress",
    "reset",
    "end",
]


class GoneJob(Output):
    """What is still known of a job that was deleted."""

    id: str = Field(examples=["job_4m1x2y3z5a6b"])
    type: JobType
    status: JobStatus = Field(description="The status to which the event led, or from which the job was deleted.")
    pause_reason: PauseReason | None
    deleted: Literal[True]


class JobEvent(Output):
    """The `data` of a server-sent event."""

    type: EventType = Field(description="The same as the event's name.")
    timestamp: Moment
    data: JobOutput | GoneJob | None = Field(
        description="The job as it stands now, with the `status` and `pause_reason` to which the event led; "
        "null with `reset` and `end`."
    )


STREAM = """\
id: 41
retry: 2000

event: job.progress
data: {"type":"job.progress","timestamp":"2026-02-01T03:04:05.678Z","data":{"id":"job_4m1x2y3z5a6b",...}}

: ping

id: 42
event: job.completed
data: {"type":"job.completed","timestamp":"2026-02-01T03:04:25.123Z","data":{"id":"job_4m1x2y3z5a6b",...}}

id: 42
event: end
data: {"type":"end","timestamp":"2026-02-01T03:04:25.200Z","data":null}

"""
"""What a stream looks like; of a job more is shown than here."""
