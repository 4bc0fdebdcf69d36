"""Memory and the first call do not depend on the table's size: the same no-op job on ever more rows."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.functions import FIRST_CALL
from benchmarks.processes import completed, environment, no_op, run, write_reviews
from benchmarks.table import Finding, print_findings

SIZES = (10_000, 100_000, 1_000_000)
MOST = 300
"""MB that the largest job may take at its peak."""
FLAT = 1.1
"""Ten times the rows may take so much more memory and still count as the same."""
FIRST_CALL_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """``peak`` is in MB; ``first_call`` in seconds from the moment at which the input was in the store."""

    rows: int
    peak: float
    first_call: float


def measure(sizes: Sequence[int] = SIZES) -> Iterator[Finding]:
    runs = [_run(rows) for rows in sizes]
    for made in runs:
        yield Finding(
            f"Peak memory, no-op function, CSV in and out, {made.rows:,} rows",
            f"{made.peak:.0f} MB",
            f"< {MOST} MB",
            made.peak < MOST,
        )
    if len(runs) > 1:
        growth = runs[-1].peak / runs[-2].peak
        what = f"– growth from {runs[-2].rows:,} to {runs[-1].rows:,} rows"
        yield Finding(what, f"{(growth - 1) * 100:+.0f} %", f"≤ {(FLAT - 1) * 100:.0f} %", growth <= FLAT)
    for made in runs:
        yield Finding(
            f"First call after the input was read, {made.rows:,} rows",
            f"{made.first_call:.3f} s",
            f"≤ {FIRST_CALL_WITHIN:g} s",
            made.first_call <= FIRST_CALL_WITHIN,
        )


def _run(rows: int) -> Run:
    with TemporaryDirectory() as directory:
        place = Path(directory)
        noted = place / "first_call"
        command = no_op("noting", write_reviews(place / "reviews.csv", rows), "--json", "-o", str(place / "out.csv"))
        ended = run(*command, env=environment(place / "home", **{FIRST_CALL: str(noted)}))
        job = ended.json
        completed(job, rows)
        first_call = float(noted.read_text(encoding="utf-8")) - datetime.fromisoformat(job["created_at"]).timestamp()
    return Run(rows, ended.peak / 1e6, first_call)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, metavar="N", help="the sizes, ascending")
    print_findings(list(measure(parser.parse_args().rows)))
