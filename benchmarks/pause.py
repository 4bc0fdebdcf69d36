"""How soon a job that runs at full speed obeys ``rowmill pause`` from another process; resumed in between."""

import argparse
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.processes import (
    CONCURRENCY,
    ROOT,
    ROWMILL,
    classification,
    environment,
    model_server,
    no_op,
    run,
    write_reviews,
)
from benchmarks.table import Finding, print_findings

REPETITIONS = 20
ROWS_EACH = 30_000
"""Rows per repetition: more than are worked between a resume and the next pause."""
WITHIN = 0.2
_LOOK = 0.001
_FULL_SPEED_AFTER = 1000
"""Rows; the rate is taken over twice as many more, before the pause is begun."""
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The job as it stood at ``at`` (a monotonic clock's seconds)."""

    at: float
    status: str
    requested_action: str | None
    processed: int


@dataclass(frozen=True, slots=True)
class Pause:
    """``obeyed``: seconds from the request being committed to the job being paused. ``command``: those of the whole
    ``rowmill pause``. ``rate``: rows/s just before."""

    obeyed: float
    command: float
    rate: float


class Observer:
    """Sees every change of the one job in ``home`` within a millisecond. It only reads, and holds nothing open."""

    def __init__(self, home: Path) -> None:
        self._connection = sqlite3.connect(f"{(home / 'rowmill.db').as_uri()}?mode=ro", uri=True, isolation_level=None)

    def look(self) -> Moment:
        lines = self._connection.execute("SELECT status, requested_action, succeeded + failed FROM jobs").fetchall()
        return Moment(time.perf_counter(), *(lines[0] if lines else ("", None, 0)))

    def wait(self, condition: Callable[[Moment], bool]) -> Moment:
        """The first moment that meets ``condition``. Raises ``SystemExit`` where none will."""
        until = time.perf_counter() + _PATIENCE
        while not condition(now := self.look()):
            if now.status in ("completed", "failed"):
                raise SystemExit(f"The job is {now.status} after {now.processed:,} rows: raise --rows-each.")
            if now.at > until:
                raise SystemExit(f"The job has been {now.status or 'missing'} for {_PATIENCE:.0f} s: {now}")
            time.sleep(_LOOK)
        return now

    def close(self) -> None:
        self._connection.close()


class Obedience:
    """Pauses the job in ``home`` that ``command`` starts, again and again."""

    def __init__(self, command: list[str], home: Path) -> None:
        self._command = command
        self._env = environment(home)
        run(ROWMILL, "jobs", env=self._env)  # makes the store
        self._observer = Observer(home)

    def pauses(self, repetitions: int) -> list[Pause]:
        with closing(self._observer):
            return [
                self._pause(self._command if number == 0 else [ROWMILL, "resume", "last"])
                for number in range(repetitions)
            ]

    def _pause(self, going_on: list[str]) -> Pause:
        wait = self._observer.wait
        before = self._observer.look().processed
        with self._running(going_on):
            fast = wait(lambda job: job.processed >= before + _FULL_SPEED_AFTER)
            began = wait(lambda job: job.processed >= fast.processed + 2 * _FULL_SPEED_AFTER)
            with self._running([ROWMILL, "pause", "last"]):
                # An engine that obeys between two looks leaves only the pause to be seen.
                requested = wait(lambda job: job.requested_action == "pause" or job.status == "paused")
                paused = wait(lambda job: job.status == "paused")
            command = time.perf_counter() - began.at
        rate = (began.processed - fast.processed) / (began.at - fast.at)
        return Pause(paused.at - requested.at, command, rate)

    @contextmanager
    def _running(self, command: list[str]) -> Iterator[None]:
        """``command`` runs inside, and has ended by itself afterwards."""
        nothing = subprocess.DEVNULL
        process = subprocess.Popen(command, stdout=nothing, stderr=nothing, cwd=ROOT, env=self._env)
        try:
            yield
            process.wait()  # with a timeout it would poll
        finally:
            process.kill()
            process.wait()


def measure(repetitions: int = REPETITIONS, rows_each: int = ROWS_EACH) -> Iterator[Finding]:
    rows = repetitions * rows_each
    with TemporaryDirectory() as place, model_server() as server:
        input_ = write_reviews(Path(place) / "reviews.csv", rows)
        calls = classification(input_, server.base_url, CONCURRENCY)
        for name, command in (("no-op function", no_op("asynchronous", input_)), ("model calls, 0 ms", calls)):
            with TemporaryDirectory() as home:
                yield from _findings(name, Obedience(command, Path(home)).pauses(repetitions))


def _findings(name: str, pauses: list[Pause]) -> Iterator[Finding]:
    obeyed = [pause.obeyed for pause in pauses]
    commands = [pause.command for pause in pauses]
    rate = median(pause.rate for pause in pauses)
    yield Finding(
        f"Pause obeyed, {name} at concurrency {CONCURRENCY}, {rate:,.0f} rows/s, {len(pauses)} times",
        f"median {median(obeyed):.3f} s, longest {max(obeyed):.3f} s",
        f"≤ {WITHIN:g} s",
        max(obeyed) <= WITHIN,
    )
    yield Finding("– the whole `rowmill pause`", f"median {median(commands):.3f} s, longest {max(commands):.3f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pause", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--rows-each", type=int, default=ROWS_EACH, help="rows per repetition")
    arguments = parser.parse_args()
    print_findings(list(measure(arguments.repetitions, arguments.rows_each)))
