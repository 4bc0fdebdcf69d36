"""Batch jobs over tables: every row through a model or a function, durable and resumable.

What a function that works rows may return, besides plain values, is here.
"""

from rowmill.model.outcome import Done, Failed, RetryLater, StopJob, Usage

__all__ = ["Done", "Failed", "RetryLater", "StopJob", "Usage"]
