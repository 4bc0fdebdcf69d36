"""Batch jobs over tables: every row through a model or a function, durable and resumable.

``enrich`` does it in one call, in this process; ``Client`` and ``AsyncClient`` talk to a server. The outcomes that a
function may return for a row, besides plain values, are here, too. What takes time to import is imported on first use.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rowmill.core.outcome import Done, Failed, RetryLater, StopJob, Usage

if TYPE_CHECKING:
    from rowmill.client import AsyncClient, AsyncJob, Client, Job, JobStopped
    from rowmill.local import LocalJob, enrich

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Client",
    "Done",
    "Failed",
    "Job",
    "JobStopped",
    "LocalJob",
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
    return getattr(import_module("rowmill.local" if name in ("LocalJob", "enrich") else "rowmill.client"), name)


def __dir__() -> list[str]:
    return __all__
