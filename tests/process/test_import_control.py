"""Imports that are paused, cancelled, interrupted, or whose file is not the same any more."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from .gauge import wait_for_rows
from .harness import Process, Rowmill, wait_until

pytestmark = pytest.mark.xdist_group("process-import")

ROWS = 300_000
COMMAND = ["import", "in.csv", "--dataset", "things", "--key", "id"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose import takes long enough to step in."""
    path = tmp_path_factory.mktemp("large") / "in.csv"
    with path.open("w") as file:
        file.write("id,text\n")
        file.writelines(f"{number},text {number}\n" for number in range(1, ROWS + 1))
    return path


def _under_way(rowmill: Rowmill, large: Path, *more: str) -> Process:
    (rowmill.place / "in.csv").symlink_to(large)
    process = rowmill.start(*COMMAND, *more)
    wait_for_rows(rowmill, process)
    return process


def _datasets(rowmill: Rowmill) -> list[tuple[str, int]]:
    return [(dataset["name"], dataset["rows"]) for dataset in rowmill.ok("datasets", "--json").json]


def _check_paused(rowmill: Rowmill) -> None:
    job = rowmill.show()
    assert (job["type"], job["status"], job["pause_reason"]) == ("import", "paused", "user")
    assert (job["stopping"], job["interrupted"]) == (False, False)
    assert 0 < job["created"] < ROWS
    assert job["total"] is job["progress"] is job["eta_seconds"] is None
    assert _datasets(rowmill) == [("things", 0)], "nothing shows up before the import has ended"


def _check_whole(rowmill: Rowmill) -> None:
    job = rowmill.show()
    assert (job["status"], job["total"], job["created"], job["failed"]) == ("completed", ROWS, ROWS, 0)
    assert _datasets(rowmill) == [("things", ROWS)]


def test_a_pause_stops_it_where_it_is(rowmill: Rowmill, large: Path) -> None:
    running = _under_way(rowmill, large)
    job = rowmill.show()
    assert (job["status"], job["processed"]) == ("running", job["created"])
    rowmill.ok("pause", "last")
    ended = running.end()
    assert ended.code == 5
    assert ended.stderr.splitlines()[-1] == f"Go on with: rowmill resume {job['id']}"
    _check_paused(rowmill)
    rowmill.ok("resume", "last")
    _check_whole(rowmill)
    assert [each["ended_as"] for each in rowmill.show()["executions"]] == ["paused", "completed"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 5)])
def test_a_signal_pauses_and_the_same_command_goes_on(
    rowmill: Rowmill, large: Path, number: signal.Signals, code: int
) -> None:
    running = _under_way(rowmill, large)
    running.signal(number)
    ended = running.end()
    assert ended.code == code
    assert "Traceback" not in ended.stderr
    _check_paused(rowmill)
    assert "going on with it" in rowmill.ok(*COMMAND).stderr
    _check_whole(rowmill)
    assert len(rowmill.jobs()) == 1


def test_cancel_keeps_what_came_in(rowmill: Rowmill, large: Path) -> None:
    running = _under_way(rowmill, large)
    cancelled = rowmill.ok("cancel", "last", "--json").json
    assert running.end().code == 5
    assert cancelled["status"] == "cancelled"
    kept = rowmill.show()["created"]
    assert 0 < kept < ROWS
    assert _datasets(rowmill) == [("things", kept)]
    rowmill.ok("export", "things", "-o", "things.csv")
    lines = (rowmill.place / "things.csv").read_text().splitlines()
    assert lines[1:] == [f"{number},text {number}" for number in range(1, kept + 1)]

    rowmill.ok(*COMMAND)
    job = rowmill.show()
    assert (job["created"], job["unchanged"], job["total"]) == (ROWS - kept, kept, ROWS)


def test_a_dataset_takes_one_import_at_a_time(rowmill: Rowmill, large: Path) -> None:
    running = _under_way(rowmill, large)
    (rowmill.place / "other.csv").write_text("id,text\n0,none\n")
    other = ("import", "other.csv", "--dataset", "things", "--key", "id")
    first = rowmill.show()["id"]
    refused = rowmill.run(*other)
    assert refused.code == 2
    assert f"{first}, which is running, imports into this dataset" in refused.complaint
    same = rowmill.run(*COMMAND)
    assert (same.code, f"process {running.pid}" in same.complaint) == (2, True)

    running.signal(signal.SIGINT)
    running.end()
    refused = rowmill.run(*other)
    assert refused.code == 2
    assert f"{first}, which is paused, imports into this dataset" in refused.complaint
    assert f"rowmill resume {first}" in refused.complaint
    assert [job["id"] for job in rowmill.jobs()] == [first]
    assert "would be created" in rowmill.ok(*other, "--plan").stdout
    rowmill.ok("resume", first)
    rowmill.ok(*other)
    assert _datasets(rowmill) == [("things", ROWS + 1)]


@pytest.mark.parametrize("change", ["written to", "gone"])
def test_a_file_that_has_changed_since_fails_the_job(rowmill: Rowmill, large: Path, change: str) -> None:
    running = _under_way(rowmill, large)
    running.kill()
    path = rowmill.place / "in.csv"
    path.unlink()
    if change == "written to":
        path.write_text("id,text\n1,another\n")
    ended = rowmill.run("resume", "last")
    job = rowmill.show()
    assert ended.code == 3, ended
    said = "is not the file any more" if change == "written to" else "in.csv cannot be read"
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (job["status"], job["error"]["code"]) == ("failed", "input")
    assert said in job["error"]["message"]
    assert 0 < job["created"] < ROWS

    path.unlink(missing_ok=True)
    path.symlink_to(large)
    rowmill.ok("resume", "last")
    _check_whole(rowmill)


def test_stdin_is_taken_in_before_the_job_begins(rowmill: Rowmill) -> None:
    os.mkfifo(rowmill.place / "pipe")
    piped = ["sh", "-c", 'exec "$@" < pipe', "sh"]
    for end in (signal.SIGINT, signal.SIGKILL):
        process = rowmill.start_through(piped, "import", "-", "--dataset", "piped")
        with (rowmill.place / "pipe").open("w") as pipe:
            pipe.write("id\n" + "1\n" * (1 << 20))
            pipe.flush()
            wait_until(lambda: any(file.stat().st_size for file in (rowmill.home / "files").glob("*")), "a copy")
            process.signal(end)
            with suppress(BrokenPipeError):
                pipe.write("1\n")  # the signal may have come just before the process began to wait for more
                pipe.flush()
            ended = process.end()
        assert ended.code == (130 if end is signal.SIGINT else -signal.SIGKILL)
        assert "Traceback" not in ended.stderr
        assert (rowmill.jobs(), _datasets(rowmill)) == ([], [])
        left = list((rowmill.home / "files").iterdir())
        assert len(left) == (0 if end is signal.SIGINT else 1)
    rowmill.ok("prune")
    assert list((rowmill.home / "files").iterdir()) == []


@pytest.mark.parametrize("end", ["resumed", "cancelled"])
def test_a_copy_of_stdin_lasts_as_long_as_it_is_needed(rowmill: Rowmill, large: Path, end: str) -> None:
    (rowmill.place / "in.csv").symlink_to(large)
    words = ("import", "-", "--dataset", "things", "--key", "id")
    running = rowmill.start_through(["sh", "-c", 'exec "$@" < in.csv', "sh"], *words)
    wait_for_rows(rowmill, running)
    running.kill()
    (rowmill.place / "in.csv").unlink()
    assert len(list((rowmill.home / "files").iterdir())) == 1
    if end == "resumed":
        rowmill.ok("resume", "last")
        _check_whole(rowmill)
    else:
        rowmill.ok("cancel", "last")
    assert list((rowmill.home / "files").iterdir()) == []
