"""The Python client of the HTTP API, sync and async from one source.

Each method is written once, as a generator that yields what is to be done (``exchange.Operation``) and receives the
outcome. A transport does it over HTTP, blocking or in an event loop. ``calls`` makes the generator a method: a sync
client returns its value, an async one an awaitable of it.
"""

from rowmill.client.client import AsyncClient, Client
from rowmill.client.errors import (
    ApiError,
    ClientError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
    Unreachable,
    WaitTimeout,
)
from rowmill.client.jobs import AsyncJob, Job, JobStopped
from rowmill.client.results import Results

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncJob",
    "Client",
    "ClientError",
    "Conflict",
    "Forbidden",
    "InvalidRequest",
    "Job",
    "JobStopped",
    "NotFound",
    "Results",
    "Unauthorized",
    "Unreachable",
    "WaitTimeout",
]
