"""How long short commands take, from nothing to the end of the process."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.processes import ROWMILL, environment, no_op, run, write_reviews
from benchmarks.table import Finding, print_findings

RUNS = 20
COMMANDS: dict[tuple[str, ...], float | None] = {("--help",): 0.3, ("jobs",): None, ("show", "last"): None}
"""Each with the most seconds that it may take, if any are demanded."""


def measure(runs: int = RUNS) -> Iterator[Finding]:
    with TemporaryDirectory() as directory:
        place = Path(directory)
        env = environment(place / "home")
        run(*no_op("asynchronous", write_reviews(place / "reviews.csv", 100)), env=env)
        for arguments, bar in COMMANDS.items():
            run(ROWMILL, *arguments, env=env)  # once for the file cache
            took = [run(ROWMILL, *arguments, env=env).wall for _ in range(runs)]
            yield Finding(
                f"`rowmill {' '.join(arguments)}`, {runs} times",
                f"median {median(took):.3f} s, shortest {min(took):.3f} s",
                "" if bar is None else f"< {bar:g} s",
                None if bar is None else median(took) < bar,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    print_findings(list(measure(parser.parse_args().runs)))
