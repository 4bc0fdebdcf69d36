"""Whole processes and what they cost: the real ``rowmill`` command, the fake model server, and their input."""

import csv
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
ROWMILL = str(Path(sys.executable).with_name("rowmill"))
CONCURRENCY = 50

_KEEP_OUT = {"ROWMILL_MODEL", "ROWMILL_STORE", "OPENAI_API_KEY"}
"""Variables of the user's shell that would change what is measured."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended. ``wall`` and ``cpu``: seconds of its whole life. ``peak``: most memory, in bytes."""

    output: str
    wall: float
    cpu: float
    peak: int

    @property
    def json(self) -> dict[str, Any]:
        """What it printed."""
        found: dict[str, Any] = json.loads(self.output)
        return found


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _KEEP_OUT}
    return kept | {"ROWMILL_HOME": str(home), "NO_PROXY": "127.0.0.1"} | more


def run(*command: str, env: Mapping[str, str] | None = None) -> Ended:
    """Runs ``command`` to its end. Raises ``SystemExit`` with what it said where it fails."""
    # A child's peak memory begins with what this process had at the fork: nothing large is ever loaded here.
    with TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, cwd=ROOT, env=env, text=True)
        assert process.stdout
        with process.stdout:
            output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said.read().decode()}")
    return Ended(
        output, wall, used.ru_utime + used.ru_stime, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    )


@contextmanager
def one_core() -> Iterator[None]:
    """Processes that are started inside have one core. Linux only."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def no_op(function: str, input_: Path, *options: str) -> list[str]:
    """The command that runs ``input_`` through one of ``benchmarks.functions``."""
    processor = f"benchmarks.functions:{function}"
    return [ROWMILL, "run", str(input_), "--processor", processor, "--concurrency", str(CONCURRENCY), *options]


def classification(input_: Path, base_url: str, concurrency: int) -> list[str]:
    """The command that does what ``benchmarks.floor`` does."""
    return [
        *(ROWMILL, "run", str(input_), "--prompt", "Is this review positive or negative? {{review}}"),
        *("-c", "sentiment: positive | negative", "--model", "openai/fake", "--base-url", base_url),
        *("--concurrency", str(concurrency)),
    ]


def completed(job: Mapping[str, Any], rows: int) -> float:
    """The seconds that the job's executions took. Raises ``SystemExit`` where not every row succeeded."""
    if job["status"] != "completed" or job["succeeded"] != rows:
        raise SystemExit(f"The job did not come through: {job['status']}, {job['succeeded']:,} of {rows:,} rows.")
    return float(job["duration_seconds"])


def write_reviews(path: Path, rows: int) -> Path:
    """A CSV file of ``rows`` small rows, each different."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "review"])
        writer.writerows(
            (n, f"Bought {n % 7 + 1} of them, wore out after {n} days, would buy again.") for n in range(rows)
        )
    return path


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model server was asked: requests, bytes of their bodies, and the CPU seconds it needed."""

    requests: int
    bytes: int
    cpu: float

    def __sub__(self, before: "Asked") -> "Asked":
        return Asked(self.requests - before.requests, self.bytes - before.bytes, self.cpu - before.cpu)


@dataclass(frozen=True, slots=True)
class Server:
    base_url: str

    def asked(self) -> Asked:
        connection = http.client.HTTPConnection(urlsplit(self.base_url).netloc, timeout=10)
        connection.request("GET", "/counts")
        counts = json.loads(connection.getresponse().read())
        connection.close()
        return Asked(**counts)


@contextmanager
def model_server(latency: float = 0.0) -> Iterator[Server]:
    """``benchmarks.model_server`` in a process of its own; ``latency`` in seconds."""
    command: Sequence[str] = [sys.executable, "-m", "benchmarks.model_server", "--latency", str(latency)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert process.stdout
    try:
        yield Server(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
