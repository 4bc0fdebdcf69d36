"""``rowmill.enrich``: jobs that run in this process, without a server."""

from rowmill.local.enrich import enrich
from rowmill.local.job import LocalJob, LocalResults

__all__ = ["LocalJob", "LocalResults", "enrich"]
