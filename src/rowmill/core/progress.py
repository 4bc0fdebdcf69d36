"""Counts of a job, its recent rate and what is left: pure arithmetic."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """How a job's rows stand. ``total`` is ``None`` until it is known."""

    total: int | None = None
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def processed(self) -> int:
        return self.succeeded + self.failed + self.skipped

    @property
    def unprocessed(self) -> int | None:
        return None if self.total is None else self.total - self.processed

    @property
    def progress(self) -> float | None:
        """Per cent of the total, rounded down to a tenth so that 100 means all."""
        if self.total is None:
            return None
        return 100.0 if self.total == 0 else self.processed * 1000 // self.total / 10


def rate(processed: int, before: int, seconds: float) -> float | None:
    """Rows per second over the last ``seconds``; ``None`` where too little time has passed to tell."""
    return max(processed - before, 0) / seconds if seconds >= 0.2 else None


def eta(unprocessed: int | None, rate: float | None) -> float | None:
    """Seconds until ``unprocessed`` rows are done at ``rate``; ``None`` where that is not known."""
    if unprocessed == 0:
        return 0.0
    return unprocessed / rate if unprocessed is not None and rate else None
