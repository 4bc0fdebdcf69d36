"""How far a job is: a live bar on a terminal or in a notebook, elsewhere a line every half minute. On stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from rich.progress import Progress

_LINE_EVERY = 30.0

See: TypeAlias = Callable[[dict[str, Any]], None]
"""Is called with a job (its JSON) whenever there is news."""


@contextmanager
def display() -> Iterator[See]:
    """Shows what it is told of a job."""
    bar = _bar()
    if bar is None:
        yield _lines()
        return
    with bar:
        task = bar.add_task("", total=None, numbers="")
        yield lambda job: bar.update(
            task,
            description=f"{job['id']} {job['status']}",
            total=job["total"],
            completed=job["processed"],
            numbers=_numbers(job),
        )


def _lines() -> See:
    due = time.monotonic() + _LINE_EVERY

    def show(job: dict[str, Any]) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + _LINE_EVERY
            sys.stderr.write(f"{job['id']} {job['status']}: {_numbers(job)}\n")
            sys.stderr.flush()

    return show


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
