"""Shows a job while it runs: a live line on a terminal, a line now and then elsewhere. Always on stderr."""

from types import TracebackType

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rowmill.cli.words import progress_line, state
from rowmill.core.job import Job

FRAME = 0.25
"""Seconds between two looks."""

_LINE_EVERY = 30.0


class Display:
    """Use as a context manager and call ``show`` with the job every ``FRAME`` seconds."""

    def __init__(self, *, terminal: bool) -> None:
        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True) if terminal else None
        self._line_at: float | None = None

    def __enter__(self) -> "Display":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, job: Job, now: float) -> None:
        if self._live:
            self._live.update(_picture(job, now), refresh=True)
        elif self._line_at is None:
            self._line_at = now + _LINE_EVERY
        elif now >= self._line_at:
            self._line_at = now + _LINE_EVERY
            click.echo(f"{job.id} {state(job)}: {progress_line(job, now)}", err=True)


def _picture(job: Job, now: float) -> Group:
    """Two lines: what and how far as a bar, and how far in numbers."""
    total = job.counts.total
    bar = ProgressBar(None if total is None else max(total, 1), job.counts.processed, width=40, pulse=total is None)
    head = Table.grid(padding=(0, 1))
    head.add_row(f"{job.id} {state(job)}", bar)
    return Group(head, Text(progress_line(job, now), no_wrap=True, overflow="ellipsis"))
