"""Moments of the last job: how far it is, read straight from the store's file, and when to kill it."""

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.deadline import DEADLINE

from .harness import Process, Rowmill

_LOOK = 0.0005
_READ = "SELECT status, succeeded + failed + skipped, delivered IS NOT NULL FROM jobs ORDER BY pk DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Reading:
    status: str
    processed: int
    delivered: bool


class Gauge:
    """Fast enough to catch a job that lasts less than a second. It writes nothing, not even a checkpoint as it is
    closed: after a kill the next process finds the store just as the killed one left it."""

    def __init__(self, rowmill: Rowmill) -> None:
        self._database = sqlite3.connect(f"file:{rowmill.home}/rowmill.db?mode=ro", uri=True, isolation_level=None)

    def read(self) -> Reading:
        found = self._database.execute(_READ).fetchone()
        return Reading(found[0], found[1], bool(found[2])) if found else Reading("none", 0, delivered=False)

    def close(self) -> None:
        self._database.close()


@contextmanager
def gauge(rowmill: Rowmill) -> Iterator[Gauge]:
    reading = Gauge(rowmill)
    try:
        yield reading
    finally:
        reading.close()


def watch(process: Process, condition: Callable[[], bool]) -> None:
    """Blocks until ``condition`` holds, or the process has ended."""
    until = time.monotonic() + DEADLINE
    while not condition() and process.alive:
        assert time.monotonic() < until, "it did not come about"
        time.sleep(_LOOK)


def wait_for_rows(rowmill: Rowmill, process: Process, rows: int = 1) -> None:
    """Blocks until the last job, which ``process`` works, has processed so many rows."""

    def come_so_far() -> bool:
        now = progress.read()
        return now.status == "running" and now.processed >= rows

    with gauge(rowmill) as progress:
        watch(process, come_so_far)
    assert process.alive, process.end()


def newest(rowmill: Rowmill) -> str:
    """The id of the last job, also of an export, which ``last`` never means."""
    id_: str = rowmill.jobs()[0]["id"]
    return id_


def random_moments() -> random.Random:
    seed = int(os.environ.get("ROWMILL_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"the same moments again: ROWMILL_TEST_SEED={seed}")
    return random.Random(seed)
