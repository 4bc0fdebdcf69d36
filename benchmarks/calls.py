"""Model calls: the floor against ``rowmill run``, in turns, so that both meet the same machine."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.processes import (
    Asked,
    Ended,
    Server,
    classification,
    completed,
    environment,
    model_server,
    run,
    write_reviews,
)
from benchmarks.table import Finding, print_findings, print_table

ROWS = 20_000
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Case:
    """``latency`` in seconds; ``bar`` is the least part of the floor's rate that Rowmill must reach."""

    latency: float
    concurrency: int
    bar: float

    @property
    def name(self) -> str:
        return f"{self.latency * 1000:.0f} ms, concurrency {self.concurrency}"


CASES = [Case(0.0, 50, 0.6), Case(0.2, 200, 0.95)]


@dataclass(frozen=True, slots=True)
class Run:
    """One process over all rows. ``rate``: rows/s from the first call to the last commit. ``overall``: rows/s of the
    whole process. ``cpu``: its CPU µs per row."""

    rate: float
    overall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Round:
    floor: Run
    rowmill: Run

    @property
    def ratio(self) -> float:
        return self.rowmill.rate / self.floor.rate

    @property
    def overall_ratio(self) -> float:
        return self.rowmill.overall / self.floor.overall


class Contest:
    """Runs both over ``rows`` rows, each time in a new directory below ``place``."""

    def __init__(self, case: Case, rows: int, place: Path, server: Server, *, uvloop: bool) -> None:
        self._case = case
        self._rows = rows
        self._place = place
        self._input = write_reviews(place / "reviews.csv", rows)
        self._server = server
        self._uvloop = uvloop

    def round(self) -> Round:
        before = self._server.asked()
        floor = self._floor()
        between = self._server.asked()
        rowmill = self._rowmill()
        self._check_same(between - before, self._server.asked() - between)
        return Round(floor, rowmill)

    def _floor(self) -> Run:
        with TemporaryDirectory(dir=self._place) as home:
            ended = run(
                *(sys.executable, "-m", "benchmarks.floor", str(self._input), f"{home}/results.db"),
                *("--base-url", self._server.base_url, "--concurrency", str(self._case.concurrency)),
                *(["--uvloop"] if self._uvloop else []),
            )
        if ended.json["succeeded"] != self._rows:
            raise SystemExit(f"The floor did not come through: {ended.json}")
        return self._made(ended, ended.json["seconds"])

    def _rowmill(self) -> Run:
        with TemporaryDirectory(dir=self._place) as home:
            command = classification(self._input, self._server.base_url, self._case.concurrency)
            ended = run(*command, "--json", env=environment(Path(home)))
        return self._made(ended, completed(ended.json, self._rows))

    def _made(self, ended: Ended, seconds: float) -> Run:
        return Run(self._rows / seconds, self._rows / ended.wall, ended.cpu / self._rows * 1e6)

    def _check_same(self, floor: Asked, rowmill: Asked) -> None:
        """Both must have made one call per row with bodies of the same size, or the comparison means nothing."""
        if not floor.requests == rowmill.requests == self._rows or floor.bytes != rowmill.bytes:
            raise SystemExit(f"The two did not make the same calls: {floor}, {rowmill}")


def measure(rows: int = ROWS, rounds: int = ROUNDS, *, uvloop: bool = False) -> Iterator[Finding]:
    """Both cases; the table of their rounds is printed as each ends."""
    for case in CASES:
        with TemporaryDirectory() as place, model_server(case.latency) as server:
            warm_up = Path(place) / "warm_up"
            warm_up.mkdir()
            Contest(case, 200, warm_up, server, uvloop=uvloop).round()
            before = server.asked()
            contest = Contest(case, rows, Path(place), server, uvloop=uvloop)
            made = [contest.round() for _ in range(rounds)]
            served = server.asked() - before
        _print_rounds(case, rows, made)
        yield from _findings(case, made, served)


def _print_rounds(case: Case, rows: int, rounds: list[Round]) -> None:
    print(f"{case.name}, {rows:,} rows\n")
    cells = [_cells(r) for r in rounds]
    middle = [median(column) for column in zip(*cells, strict=True)]
    named = [*((str(number), row) for number, row in enumerate(cells, 1)), ("median", middle)]
    print_table(
        ["round", "floor rows/s", "rowmill rows/s", "ratio", "floor whole process", "rowmill whole process", "ratio",
         "floor CPU µs/row", "rowmill CPU µs/row"],
        [[name, f"{a:,.0f}", f"{b:,.0f}", f"{c:.3f}", f"{d:,.0f}", f"{e:,.0f}", f"{f:.3f}", f"{g:.0f}", f"{h:.0f}"]
         for name, (a, b, c, d, e, f, g, h) in named],
    )  # fmt: skip


def _cells(r: Round) -> list[float]:
    floor, rowmill = r.floor, r.rowmill
    return [
        *(floor.rate, rowmill.rate, r.ratio),
        *(floor.overall, rowmill.overall, r.overall_ratio),
        *(floor.cpu, rowmill.cpu),
    ]


def _findings(case: Case, rounds: list[Round], served: Asked) -> Iterator[Finding]:
    ratio = median(r.ratio for r in rounds)
    rates = [median(r.floor.rate for r in rounds), median(r.rowmill.rate for r in rounds)]
    yield Finding(
        f"Model calls, {case.name}: part of the floor's rate",
        f"{ratio:.2f} ({rates[1]:,.0f} of {rates[0]:,.0f} rows/s)",
        f"≥ {case.bar}",
        ratio >= case.bar,
    )
    overall = [median(r.floor.overall for r in rounds), median(r.rowmill.overall for r in rounds)]
    yield Finding(
        "– the same for whole processes, reading the input and all",
        f"{median(r.overall_ratio for r in rounds):.2f} ({overall[1]:,.0f} of {overall[0]:,.0f} rows/s)",
    )
    yield Finding("– what the fake server could have answered", f"{served.requests / served.cpu:,.0f} requests/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--uvloop", action="store_true", help="give the floor uvloop too")
    arguments = parser.parse_args()
    print_findings(list(measure(arguments.rows, arguments.rounds, uvloop=arguments.uvloop)))
