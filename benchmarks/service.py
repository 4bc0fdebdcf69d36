"""``rowmill serve`` while it works a job at full speed: how soon the API answers, and what that costs the job."""

import argparse
import asyncio
import random
import time
from collections.abc import Iterator
from statistics import mean, median, quantiles

import aiohttp

from benchmarks.served import ROWS, Served, ratio, served
from benchmarks.table import Finding, print_findings

ROUNDS = 20
"""Pairs of windows, one without and one with requests, in turn the one or the other first."""
WINDOW = 1.0
"""Seconds of each window."""
RATE = 20.0
"""Requests per second: about what twenty people looking at the page make."""
JOB_WITHIN, PAGE_WITHIN, SLOWED_BY = 0.020, 0.050, 0.05


def measure(rows: int = ROWS, rounds: int = ROUNDS) -> Iterator[Finding]:
    with served(rows) as server:
        asked = asyncio.run(_Load(server).measure(rounds))
    for what, bar in (("job", JOB_WITHIN), ("page", PAGE_WITHIN)):
        latencies = asked[what]
        p99 = quantiles(latencies, n=100)[98]
        name = "GET /v1/jobs/{id}" if what == "job" else "GET …/rows, 100 rows anywhere"
        yield Finding(
            f"{name} during a job at full speed over {rows:,} rows",
            f"p99 {p99 * 1000:.1f} ms, median {median(latencies) * 1000:.1f} ms ({len(latencies):,} requests)",
            f"< {bar * 1000:.0f} ms",
            p99 < bar,
        )
    left, error = ratio(asked["with"], asked["without"])
    yield Finding(
        f"The job's speed with {RATE:.0f} such requests a second, against without, {rounds} pairs of windows",
        f"{1 - left:.1%} ± {error:.1%} slower ({mean(asked['with']):,.0f} of {mean(asked['without']):,.0f} rows/s)",
        f"< {SLOWED_BY:.0%}",
        1 - left < SLOWED_BY,
    )


class _Load:
    def __init__(self, server: Served) -> None:
        self._served = server
        self._random = random.Random(1)

    async def measure(self, rounds: int) -> dict[str, list[float]]:
        """Latencies in seconds of ``job`` and ``page`` requests, and rows/s ``without`` and ``with`` them."""
        found: dict[str, list[float]] = {"job": [], "page": [], "without": [], "with": []}
        async with aiohttp.ClientSession(self._served.url) as session:
            for _ in range(20):
                await self._get(session, f"/v1/jobs/{self._served.job}")
            for number in range(rounds):
                for what in ("without", "with") if number % 2 else ("with", "without"):
                    found[what].append(await self._speed(session, found if what == "with" else None))
        return found

    async def _speed(self, session: aiohttp.ClientSession, found: dict[str, list[float]] | None) -> float:
        """Rows/s over one window, with requests if ``found`` takes their latencies."""
        began, before = time.perf_counter(), self._served.processed()
        requests: list[asyncio.Task[None]] = []
        while (now := time.perf_counter()) < began + WINDOW:
            if found is not None:
                requests.append(asyncio.create_task(self._ask(session, found)))
            await asyncio.sleep(max(0.0, now + 1 / RATE - time.perf_counter()))
        elapsed, after = time.perf_counter() - began, self._served.processed()
        await asyncio.gather(*requests)
        return (after - before) / elapsed

    async def _ask(self, session: aiohttp.ClientSession, found: dict[str, list[float]]) -> None:
        what = self._random.choice(["job", "page"])
        after = self._random.randrange(self._served.rows - 100)
        job = f"/v1/jobs/{self._served.job}"
        path = job if what == "job" else f"{job}/rows?limit=100&after={after}"
        found[what].append(await self._get(session, path))

    @staticmethod
    async def _get(session: aiohttp.ClientSession, path: str) -> float:
        began = time.perf_counter()
        async with session.get(path) as response:
            body = await response.read()
            if response.status != 200:
                raise SystemExit(f"{path} was answered {response.status}: {body[:300]!r}")
        return time.perf_counter() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    print_findings(list(measure(arguments.rows, arguments.rounds)))
