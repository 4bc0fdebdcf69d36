"""``kill -9`` at random moments of one export: the same file as without kills, and never half of it."""

import csv
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from python_calamine import CalamineWorkbook

from .gauge import Gauge, gauge, newest, random_moments, watch
from .harness import Process, Rowmill

pytestmark = pytest.mark.xdist_group("process-export-kill")

ROWS = 240_000
FEW = "1-60000"
KILLS = 12
STEP = 20_000
"""Rows that an export writes between two commits."""


@pytest.fixture(scope="module")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the large dataset ``things``."""
    program = Rowmill(tmp_path_factory.mktemp("full"))
    with (program.place / "things.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "size", "text"])
        writer.writerows([number, number % 90, f'text, "quoted" {number}'] for number in range(ROWS))
    program.ok("import", "things.csv", "-c", "size: integer")
    return program.home


@pytest.fixture
def filled(rowmill: Rowmill, full_home: Path) -> Rowmill:
    shutil.rmtree(rowmill.home)
    shutil.copytree(full_home, rowmill.home)
    return rowmill


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_a_file_that_can_be_gone_on_with_comes_out_the_same(filled: Rowmill, format_: str) -> None:
    chance = random_moments()
    filled.ok("export", "things", "-o", f"calm.{format_}")
    calm = (filled.place / f"calm.{format_}").read_bytes()
    out = filled.place / f"out.{format_}"
    command = ["export", "things", "-o", out.name]
    step = len(calm) * STEP // ROWS

    for number in range(KILLS):
        process = filled.start(*(["resume", newest(filled)] if number and number % 3 == 0 else command))
        if number % 5 == 1:
            time.sleep(chance.uniform(0, 0.5))  # a random moment from its very start
        elif number % 5 == 4:
            with gauge(filled) as progress:
                _wait_for_commit(progress, process)
            time.sleep(chance.uniform(0, 0.02))
        else:
            _wait_for_growth(filled, process, int(chance.uniform(0, 0.8) * step))
        process.kill()
        assert not out.exists(), "there is a file under the final name before it is whole"
    job = filled.show(newest(filled))
    assert (job["status"], job["interrupted"]) == ("running", True)
    assert 0 < job["processed"] < ROWS

    filled.ok(*command)
    assert out.read_bytes() == calm
    _check_ended(filled, ROWS, KILLS // 2)


@pytest.mark.parametrize("format_", ["parquet", "xlsx"])
def test_a_file_that_is_begun_anew_comes_out_the_same(filled: Rowmill, format_: str) -> None:
    chance = random_moments()
    filled.env["TMPDIR"] = str(filled.place)  # what a killed writer leaves there is not for the machine to keep
    filled.ok("export", "things", "-o", f"calm.{format_}", "--rows", FEW)
    out = filled.place / f"out.{format_}"
    command = ["export", "things", "-o", out.name, "--rows", FEW]
    goals = [0, STEP, 2 * STEP, 3 * STEP, 3 * STEP]

    for number, goal in enumerate(goals):
        process = filled.start(*(["resume", newest(filled)] if number == 2 else command))
        with gauge(filled) as progress:
            if number:
                _wait_for_rewinding(progress, process)
            _wait_for_rows(progress, process, goal)
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        assert not out.exists()
    filled.ok(*command)
    assert _table(out) == _table(filled.place / f"calm.{format_}")
    _check_ended(filled, 60_000, len(goals) - 1)


@pytest.mark.parametrize("moment", ["written", "noted", "in place"])
def test_killed_between_the_last_row_and_the_end(filled: Rowmill, moment: str) -> None:
    chance = random_moments()
    filled.ok("export", "things", "-o", "calm.csv", "--rows", "1-3000")
    calm = (filled.place / "calm.csv").read_bytes()
    caught = 0
    for number in range(8):
        out = filled.place / f"out-{number}.csv"
        command = ["export", "things", "-o", out.name, "--rows", "1-3000"]
        process = filled.start(*command)
        with gauge(filled) as progress:
            _spin(process, _reached(moment, progress, out, len(calm)))
            if number % 2:
                time.sleep(chance.uniform(0, 0.002))
            process.kill()
        with gauge(filled) as progress:  # another one: this sees also a commit that was on disk, but not yet announced
            status = progress.read().status
        assert not out.exists() or out.read_bytes() == calm
        if status == "running":
            caught += 1
            filled.ok(*(["resume", newest(filled)] if number % 3 == 0 else command))
        assert out.read_bytes() == calm
        assert filled.show(newest(filled))["status"] == "completed"
        assert list(filled.place.glob(".*.part")) == []
    assert caught, "every one was too fast to be killed"


def test_another_file_that_has_taken_the_place_meanwhile_is_not_replaced(filled: Rowmill) -> None:
    command = ["export", "things", "-o", "out.csv"]
    process = filled.start(*command)
    _wait_for_growth(filled, process, STEP)
    process.kill()
    (filled.place / "out.csv").write_text("mine\n")
    ended = filled.run("resume", newest(filled))
    assert ended.code == 3, ended
    assert "out.csv exists already" in ended.stderr
    assert (filled.place / "out.csv").read_text() == "mine\n"

    (filled.place / "out.csv").unlink()
    filled.ok("resume", newest(filled))
    assert (filled.place / "out.csv").read_bytes().count(b"\n") == ROWS + 1
    _check_ended(filled, ROWS, 2)


def _parts(rowmill: Rowmill) -> list[Path]:
    return list(rowmill.place.glob(".job_*.part"))


def _wait_for_growth(rowmill: Rowmill, process: Process, growth: int) -> None:
    """Blocks until the unfinished file is longer by so many bytes than it was when the process was started."""
    before = sum(part.stat().st_size for part in _parts(rowmill))
    watch(process, lambda: bool(parts := _parts(rowmill)) and parts[0].stat().st_size > before + growth)


def _wait_for_commit(progress: Gauge, process: Process) -> None:
    before = progress.read().processed
    watch(process, lambda: progress.read().processed > before)


def _wait_for_rows(progress: Gauge, process: Process, rows: int) -> None:
    watch(process, lambda: progress.read().processed >= rows)


def _wait_for_rewinding(progress: Gauge, process: Process) -> None:
    """Blocks until the job counts from the start again."""
    watch(process, lambda: progress.read().processed == 0)


def _spin(process: Process, reached: Callable[[], bool]) -> None:
    """As ``watch``, but never asleep: the moments between the last row and the end are shorter than a sleep."""
    while process.alive and not any(reached() for _ in range(50)):
        pass


def _reached(moment: str, progress: Gauge, out: Path, size: int) -> Callable[[], bool]:
    if moment == "in place":
        return out.exists
    if moment == "noted":
        return lambda: progress.read().delivered and progress.read().status == "running"
    part = ".job_*.part"
    return lambda: any(_size(each) == size for each in out.parent.glob(part))


def _check_ended(rowmill: Rowmill, rows: int, executions: int) -> None:
    job = rowmill.show(newest(rowmill))
    assert (job["status"], job["total"], job["succeeded"], job["failed"]) == ("completed", rows, rows, 0)
    assert len(job["executions"]) > executions
    assert list(rowmill.place.glob(".*.part")) == []
    files = rowmill.home / "files"
    assert not files.exists() or list(files.iterdir()) == []


def _table(path: Path) -> object:
    if path.suffix == ".parquet":
        return [list(row.values()) for row in pq.read_table(path).to_pylist()]
    return CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()


def _size(path: Path) -> int | None:
    """``None`` where it has just been put in its place."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
