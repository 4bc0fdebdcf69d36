"""What event streams send."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rowmill.core.status import JobStatus, JobType, PauseReason
from rowmill.shapes.base import Shape
from rowmill.shapes.jobs import Job

StatusEvent = Literal[
    "job.created",
    "job.pending",
    "job.running",
    "job.paused",
    "job.completed",
    "job.failed",
    "job.cancelled",
    "job.deleted",
]
StreamEvent = Literal[StatusEvent, "job.progress", "reset", "end"]


@dataclass(frozen=True)
class DeletedJob(Shape):
    """What is still known of a job that has been deleted."""

    id: str
    """Such as `job_4m1x2y3z5a6b`."""
    type: JobType
    status: JobStatus
    """The status that the event led to, or that the job had when it was deleted."""
    pause_reason: PauseReason | None
    deleted: Literal[True] = True


@dataclass(frozen=True)
class JobEvent(Shape):
    """The `data` of a server-sent event."""

    type: StreamEvent
    """The same as the name of the event."""
    timestamp: datetime
    data: Job | DeletedJob | None
    """The job as it is now, with the `status` and `pause_reason` that the event led to; null with `reset` and `end`."""
