"""Batch jobs over tables: every row through a model or a function, durable and resumable.

``enrich`` does it in one call on a local store; ``Client`` and ``AsyncClient`` say it to a server. What a function that
works rows may return, besides plain values, is here, too. Everything that takes its time is loaded when it is used.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rowmill.core.outcome import Done, Failed, RetryLater, StopJob, Usage

if TYPE_CHECKING:
    from rowmill.client import AsyncClient, AsyncJob, Client, Job, JobStopped, enrich

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Client",
    "Done",
    "Failed",
    "Job",
    "JobStopped",
    "RetryLater",
    "StopJob",
    "Usage",
    "enrich",
]

# Who wants the log sets up a handler (``rowmill.worker.logs``); without one, nothing is printed.
logging.getLogger("rowmill").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("rowmill.client"), name)


def __dir__() -> list[str]:
    return __all__
