"""Workers and the health of a server."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rowmill.shapes.base import Shape


@dataclass(frozen=True)
class Health(Shape):
    """The server answers."""

    status: Literal["ok"] = "ok"


@dataclass(frozen=True)
class Worker(Shape):
    """A process that works jobs."""

    id: str
    """Such as `eng_4m1x2y3z5a6b`."""
    pid: int
    """Process id."""
    alive: bool
    """True also for a process that is stopped but not killed."""
    joined_at: datetime
    jobs: list[str]
    """The ids of the jobs that it holds."""
