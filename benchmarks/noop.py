"""The engine's own cost: ``rowmill run --processor`` with a function that does nothing, on one core."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.processes import CONCURRENCY, completed, environment, no_op, one_core, run, write_reviews
from benchmarks.table import Finding, print_findings

ROWS = 100_000
ROUNDS = 3
BAR = 10_000


def measure(rows: int = ROWS, rounds: int = ROUNDS) -> Iterator[Finding]:
    with TemporaryDirectory() as place:
        input_ = write_reviews(Path(place) / "reviews.csv", rows)
        for function in ("asynchronous", "plain"):
            made = [_run(function, input_, rows) for _ in range(rounds)]
            rate, cpu = (median(column) for column in zip(*made, strict=True))
            yield Finding(
                f"No-op function ({function}), concurrency {CONCURRENCY}, one core, {rows:,} rows",
                f"{rate:,.0f} rows/s durable ({min(made)[0]:,.0f} to {max(made)[0]:,.0f})",
                f"≥ {BAR:,} rows/s",
                rate >= BAR,
            )
            yield Finding("– CPU of the whole process, reading the input and all", f"{cpu:.0f} µs per row")


def _run(function: str, input_: Path, rows: int) -> tuple[float, float]:
    """Rows/s from the claim to the last commit, and CPU µs per row."""
    with TemporaryDirectory() as home, one_core():
        ended = run(*no_op(function, input_, "--json"), env=environment(Path(home)))
    return rows / completed(ended.json, rows), ended.cpu / rows * 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noop", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    print_findings(list(measure(arguments.rows, arguments.rounds)))
