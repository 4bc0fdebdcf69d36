"""A ``rowmill serve`` that works one job at full speed, for whoever measures what else it does meanwhile."""

import json
import os
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

from benchmarks.processes import CONCURRENCY, ROOT, ROWMILL, environment, run, write_reviews

ROWS = 1_000_000
_FUNCTION = "benchmarks.functions:asynchronous"
_LOOK = 0.1


class Served:
    """The server at ``url`` and its job (an id) over ``rows`` rows, whose function does nothing."""

    def __init__(self, url: str, pid: int, home: Path, rows: int) -> None:
        self.url = url
        self.rows = rows
        self._pid = pid
        self._database = f"{(home / 'rowmill.db').as_uri()}?mode=ro"
        self.job = self._begin()

    def warm_up(self) -> None:
        """Waits until a hundredth of the rows is done."""
        while self.processed() < self.rows / 100:
            time.sleep(_LOOK)

    def processed(self) -> int:
        """How many rows are done, from the store itself. Raises ``SystemExit`` where none is left."""
        with closing(sqlite3.connect(self._database, uri=True)) as connection:
            sql = "SELECT max(succeeded + failed) FROM jobs WHERE type = 'enrichment'"
            found: int = connection.execute(sql).fetchone()[0] or 0
        if found == self.rows:
            raise SystemExit(f"The job was over before it was measured: more than {self.rows:,} rows are needed.")
        return found

    def cpu(self) -> float:
        """Seconds of CPU that the server and its worker have used. Linux only."""
        threads = Path(f"/proc/{self._pid}/task").iterdir()
        children = [pid for thread in threads for pid in (thread / "children").read_text(encoding="utf-8").split()]
        return sum(_cpu(Path("/proc") / str(pid)) for pid in (self._pid, *children))

    def _begin(self) -> str:
        asked = {
            "type": "enrichment",
            "dataset": "reviews",
            "steps": [{"processor": "python", "function": _FUNCTION}],
            "concurrency": CONCURRENCY,
        }
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/v1/jobs", json.dumps(asked).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return str(json.load(answer)["id"])


def _cpu(process: Path) -> float:
    """Seconds of CPU that a process, by its directory in /proc, has used."""
    fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ratio(with_: Sequence[float], without: Sequence[float]) -> tuple[float, float]:
    """Of pairs of speeds, the mean of the one over that of the other, and its standard error. Pairs and not more: what
    others do on the machine changes its speed, within seconds, by more than what is measured."""
    error = stdev(a - b for a, b in zip(with_, without, strict=True)) / sqrt(len(with_))
    return mean(with_) / mean(without), error / mean(without)


@contextmanager
def served(rows: int) -> Iterator[Served]:
    """Such a server with a home of its own, its job under way."""
    with TemporaryDirectory() as place, TemporaryDirectory() as home:
        env = environment(Path(home), PYTHONPATH=str(ROOT))
        run(ROWMILL, "import", str(write_reviews(Path(place) / "reviews.csv", rows)), env=env)
        command = [ROWMILL, "serve", "--port", "0", "--allow-python", _FUNCTION]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT, env=env, text=True)
        assert process.stderr
        try:
            said = next((line for line in process.stderr if "Rowmill serves " in line), None)
            if said is None:
                raise SystemExit("rowmill serve did not begin.")
            made = Served(said.split("Rowmill serves ")[1].split()[0].rstrip("."), process.pid, Path(home), rows)
            made.warm_up()
            yield made
        finally:
            process.terminate()
            process.communicate()
