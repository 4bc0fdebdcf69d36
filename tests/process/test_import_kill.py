"""``kill -9`` at random moments of one import: the same dataset, counts and rows as without kills."""

import csv
import random
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .gauge import gauge, random_moments, watch
from .harness import Rowmill

pytestmark = pytest.mark.xdist_group("process-import-kill")

ROWS = 270_000
KILLS = 12
COLUMNS = ["id", "size", "text"]
TEXT = "some text that makes a line as long as lines are"
COUNTS = (
    "total",
    "succeeded",
    "failed",
    "skipped",
    "created",
    "updated",
    "unchanged",
    "unprocessed",
    "needs_attention",
)
UNKEYED = ["import", "in.csv", "--dataset", "things", "-c", "size: integer"]
KEYED = [*UNKEYED, "--key", "id"]


@pytest.mark.parametrize("command", [UNKEYED, KEYED], ids=["without a key", "with a key"])
def test_an_import_killed_at_random_moments_brings_in_the_same(rowmill: Rowmill, command: list[str]) -> None:
    chance = random_moments()
    _write(rowmill.place / "in.csv")
    _write_known(rowmill.place / "known.csv")
    known = ["import", "known.csv", *command[2:]]
    rowmill.ok(*known)
    calm = _twin(rowmill)
    assert calm.run(*command).code == 4

    for number in range(KILLS):
        _killed(rowmill, chance, ["resume", "last"] if number % 3 == 2 else command, from_the_start=number % 4 == 0)
        if number % 5 == 4:
            _check_interrupted(rowmill)
    ended = rowmill.run(*command)
    assert ended.code == 4, ended

    assert [job["status"] for job in rowmill.jobs()] == ["completed"] * 2
    counts = [{name: job[name] for name in COUNTS} for job in (rowmill.show(), calm.show())]
    assert counts[0] == counts[1]
    assert counts[0]["total"] == ROWS
    assert len(rowmill.show()["executions"]) > KILLS // 2
    fates = _fates(calm)
    assert Counter(fate[2] for fate in fates) == Counter(
        {name: counts[1][name] for name in ("succeeded", "failed", "skipped")}
    )
    assert _fates(rowmill) == fates
    assert _exported(rowmill) == _exported(calm)
    assert rowmill.ok("rows", "things", "1", "--json").json == calm.ok("rows", "things", "1", "--json").json


def _write(path: Path) -> None:
    """Lines of which some name a record again, soon after or long after, and some are refused for several reasons."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(ROWS):
            id_ = str(number // 2 if number % 50 == 7 else number - 1 if number % 50 == 9 else number)
            size = "none" if number % 997 == 5 else str(number % 90)
            cells = ["" if number % 9001 == 3 else id_, size, TEXT]
            writer.writerow([*cells, "one too many"] if number % 5003 == 4 else cells)


def _write_known(path: Path) -> None:
    """What the dataset holds before: two in three of these records will be the same, one in three another."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([number, number % 90 if number % 3 else 91, TEXT] for number in range(40_000))


def _twin(rowmill: Rowmill) -> Rowmill:
    """Another store with the same content, over which nothing is killed."""
    twin = Rowmill(rowmill.place / "calm")
    twin.place.mkdir()
    shutil.copytree(rowmill.home, twin.home)
    shutil.copy(rowmill.place / "in.csv", twin.place / "in.csv")
    return twin


def _killed(rowmill: Rowmill, chance: random.Random, command: list[str], *, from_the_start: bool) -> None:
    """Lets the import come some way, then kills it."""
    with gauge(rowmill) as progress:
        before = progress.read()
    process = rowmill.start(*command)
    if from_the_start:
        time.sleep(chance.uniform(0, 0.5))  # a random moment from its very start
    else:
        goal = (before.processed if before.status == "running" else 0) + 1
        with gauge(rowmill) as progress:
            watch(process, lambda: progress.read().status == "running" and progress.read().processed >= goal)
        time.sleep(chance.uniform(0, 0.02))  # and from there a random moment of the next batch
    process.kill()
    with gauge(rowmill) as progress:
        assert progress.read().status != "completed" or before.status == "completed", "it was too fast to be killed"


def _check_interrupted(rowmill: Rowmill) -> None:
    job = rowmill.show()
    assert (job["status"], job["interrupted"]) == ("running", True)
    assert job["succeeded"] + job["failed"] + job["skipped"] == job["processed"] > 0
    listed = rowmill.ok("datasets", "--json").json[0]
    assert (listed["rows"], listed["revision"]) == (40_000, 1), "nothing shows up before the import has ended"


def _fates(rowmill: Rowmill) -> list[tuple[Any, ...]]:
    """What became of every line of the last import."""
    with rowmill.store() as store:
        job = store.browse.jobs(limit=1)[0]
        return [
            (row.number, row.record, row.status, row.code, row.message, row.output)
            for lo in range(1, ROWS + 1, 10_000)
            for row in store.browse.lines(job.pk, lo, min(lo + 9999, ROWS))
        ]


def _exported(rowmill: Rowmill) -> bytes:
    rowmill.ok("export", "things", "-o", "things.csv")
    return (rowmill.place / "things.csv").read_bytes()
