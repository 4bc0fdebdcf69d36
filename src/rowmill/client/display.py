"""How far a job is: a live bar on a terminal or in a notebook, elsewhere a line every half minute. On stderr."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

_LINE_EVERY = 30.0


class Display:
    """Use as a context manager and call it with a job (its JSON) whenever there is news. Without ``shown`` it is
    silent."""

    def __init__(self, *, shown: bool = True) -> None:
        self._shown = shown
        self._live: Progress | None = None
        self._task: Any = None
        self._line_at = time.monotonic() + _LINE_EVERY

    def __enter__(self) -> "Display":
        if self._shown:
            self._live = _bar()
        if self._live:
            self._live.start()
            self._task = self._live.add_task("", total=None, numbers="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, job: dict[str, Any]) -> None:
        if self._live:
            self._live.update(
                self._task,
                description=f"{job['id']} {job['status']}",
                total=job["total"],
                completed=job["processed"],
                numbers=_numbers(job),
            )
        elif self._shown and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + _LINE_EVERY
            sys.stderr.write(f"{job['id']} {job['status']}: {_numbers(job)}\n")
            sys.stderr.flush()


def _bar() -> "Progress | None":
    from rich.console import Console  # noqa: PLC0415 - takes its time, and few need it
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415 - likewise

    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        return None
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[numbers]}"), console=console,
        transient=True,
    )  # fmt: skip


def _numbers(job: dict[str, Any]) -> str:
    """``40 of 100 rows, 2 failed, 3.1 rows/s, 20 s left, $0.0031``."""
    of = "" if job["total"] is None else f" of {job['total']:,}"
    parts = [f"{job['processed']:,}{of} rows"]
    if job["failed"]:
        parts.append(f"{job['failed']:,} failed")
    if job["rate"]:
        parts.append(f"{job['rate']:,.1f} rows/s")
    if job["eta_seconds"] is not None:
        parts.append(f"{job['eta_seconds']:,.0f} s left")
    if job["cost_usd"]:
        parts.append(f"${job['cost_usd']:,.4f}")
    return ", ".join(parts)
