"""Health and workers."""

from typing import Literal

from pydantic import Field

from rowmill.shapes.base import Moment, Output


class Health(Output):
    """The process answers."""

    status: Literal["ok"] = "ok"


class WorkerOutput(Output):
    """An engine: in a server, or in a command that works a job."""

    id: str
    pid: int = Field(description="The number of its process.")
    alive: bool = Field(description="A stopped process is alive; a killed one never is.")
    joined_at: Moment
    jobs: list[str] = Field(description="The ids of the jobs that it holds.")
