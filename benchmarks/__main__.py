"""All benchmarks, one after the other, as one Markdown table: ``python -m benchmarks``."""

import argparse
import os
from collections.abc import Iterator

from benchmarks import calls, listeners, memory, noop, pause, service, start, transfers
from benchmarks.table import Finding, print_findings


def measure(*, quick: bool) -> Iterator[Finding]:
    """``quick`` only shows that everything runs: its numbers mean nothing."""
    if quick:
        yield from start.measure(3)
        yield from calls.measure(1000, 1)
        yield from noop.measure(2000, 1)
        yield from memory.measure([1000, 5000])
        yield from pause.measure(2)
        yield from transfers.measure(2000, 1)
        yield from service.measure(200_000, 1)
        yield from listeners.measure(200_000, 1, 10)
        return
    for benchmark in (start, calls, noop, memory, pause, transfers, service, listeners):
        yield from benchmark.measure()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    findings = list(measure(quick=parser.parse_args().quick))
    print(f"On {len(os.sched_getaffinity(0))} cores:\n")
    print_findings(findings)
