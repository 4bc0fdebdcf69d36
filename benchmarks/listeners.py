"""200 listeners to ``rowmill serve``'s events while it works a job at full speed: what they cost that job."""

import argparse
import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from statistics import mean, median
from urllib.parse import urlsplit

from benchmarks.served import ROWS, Served, ratio, served
from benchmarks.table import Finding, print_findings

LISTENERS = 200
ROUNDS = 18
"""Pairs of windows, one without and one with listeners."""
WINDOW = 1.0
"""Seconds of each window."""
SLOWED_BY = 0.05
_SETTLED = 0.5
"""Seconds that listeners are given to connect, or the server to notice that they went."""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows/s of the job and cores that the server used, both over one window; ``heard`` events per listener and
    second."""

    speed: float
    cores: float
    heard: float


class _Ear(asyncio.Protocol):
    """Reads a stream and counts its events, as cheaply as can be: the machine is the server's."""

    def __init__(self, path: str, host: str) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n".encode()
        self.heard = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.heard += data.count(b"event: job.")


def _itself(ear: _Ear) -> _Ear:
    return ear


class _Audience:
    """Listens to a server that works a job."""

    def __init__(self, server: Served) -> None:
        self._served = server

    async def windows(self, listeners: int, rounds: int) -> list[tuple[Window, Window]]:
        """Pairs of windows: without and with listeners."""
        return [(await self._window([]), await self._heard(listeners)) for _ in range(rounds)]

    async def _heard(self, listeners: int) -> Window:
        """A window with as many listeners, half to the job and half to all jobs."""
        address = urlsplit(self._served.url)
        loop = asyncio.get_running_loop()
        paths = (f"/v1/jobs/{self._served.job}/events", "/v1/events")
        ears = [_Ear(paths[number % 2], address.netloc) for number in range(listeners)]
        made = [
            await loop.create_connection(partial(_itself, ear), address.hostname or "", address.port or 80)
            for ear in ears
        ]
        await asyncio.sleep(_SETTLED)
        try:
            return await self._window(ears)
        finally:
            for transport, _ in made:
                transport.close()
            await asyncio.sleep(_SETTLED)

    async def _window(self, ears: list[_Ear]) -> Window:
        began, rows, cpu, heard = (
            time.perf_counter(),
            self._served.processed(),
            self._served.cpu(),
            sum(ear.heard for ear in ears),
        )
        await asyncio.sleep(WINDOW)
        took = time.perf_counter() - began
        heard = sum(ear.heard for ear in ears) - heard
        per_ear = heard / len(ears) / took if ears else 0.0
        return Window((self._served.processed() - rows) / took, (self._served.cpu() - cpu) / took, per_ear)


def measure(rows: int = ROWS, rounds: int = ROUNDS, listeners: int = LISTENERS) -> Iterator[Finding]:
    with served(rows) as server:
        pairs = asyncio.run(_Audience(server).windows(listeners, rounds))
    without, with_ = ([window.speed for window in windows] for windows in zip(*pairs, strict=True))
    left, error = ratio(with_, without)
    yield Finding(
        f"The job's speed with {listeners} listeners, against without, {rounds} pairs of windows",
        f"{left:.3f} ± {error:.3f} ({mean(with_):,.0f} of {mean(without):,.0f} rows/s)",
        f"> {1 - SLOWED_BY:g}",
        left > 1 - SLOWED_BY,
    )
    cores = [median(window.cores for window in windows) for windows in zip(*pairs, strict=True)]
    heard = median(window.heard for _, window in pairs)
    yield Finding(
        f"– CPU of the server, {heard:.1f} events a second to each listener",
        f"{cores[1]:.2f} cores with them, {cores[0]:.2f} without",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listeners", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--listeners", type=int, default=LISTENERS)
    arguments = parser.parse_args()
    print_findings(list(measure(arguments.rows, arguments.rounds, arguments.listeners)))
