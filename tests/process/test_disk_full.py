"""A full disk stops the job with one sentence, damages nothing and loses nothing."""

import sys

import pytest

from rowmill.testing import ModelServer

from .harness import Ended, Rowmill, assert_done, prompt, run_words

pytestmark = pytest.mark.xdist_group("process-disk-full")

ROWS = 2000
ROOM = 1 << 20

# No file may grow beyond so many bytes: what a full disk is to the store, for one process and without root.
LIMITED = (
    "import os, resource, sys; size = int(sys.argv[1]); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)); os.execv(sys.argv[2], sys.argv[2:])"
)


def _with_little_room(rowmill: Rowmill, *arguments: str) -> Ended:
    size = (rowmill.home / "rowmill.db").stat().st_size + ROOM
    return rowmill.start_through([sys.executable, "-c", LIMITED, str(size)], *arguments).end()


def _check_sound(rowmill: Rowmill) -> None:
    assert rowmill.ok("doctor", "--json").json["store"] == "sound"


def _check_sentence(ended: Ended) -> None:
    assert ended.code == 3, ended
    assert "Traceback" not in ended.stderr
    sentence = ended.stderr.splitlines()[-1]
    assert "The store could not be read or written" in ended.stderr
    assert "Free space" in ended.stderr or "resume" in sentence


def test_the_disk_fills_up_while_the_job_runs(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    with ModelServer(latency=0.002) as server:
        rowmill.ok(*run_words(server, "in.csv", "--detach"))
        ended = _with_little_room(rowmill, "resume", "last")
        _check_sentence(ended)
        _check_sound(rowmill)
        job = rowmill.show()
        assert 0 < job["succeeded"] < ROWS
        assert job["status"] == "failed" or job["interrupted"]
        if job["error"]:
            assert job["error"]["code"] == "store"
        saved = {prompt(row["number"]): 1 for row in rowmill.rows("succeeded")}
        assert len(saved) == job["succeeded"]

        rowmill.ok("resume", "last")
        assert_done(rowmill.place / "out.csv", ROWS)
        assert {asked: server.counts[asked] for asked in saved} == saved
        assert server.total - ROWS <= 5
        _check_sound(rowmill)


def test_the_disk_fills_up_while_the_input_is_read(rowmill: Rowmill) -> None:
    rows = 100_000
    rowmill.table(rows)
    with ModelServer() as server:
        command = run_words(server, "in.csv", "--rows", "1-5")
        ended = _with_little_room(rowmill, *command)
        _check_sentence(ended)
        _check_sound(rowmill)
        assert rowmill.jobs() == []
        assert server.total == 0

        rowmill.ok(*command)
        assert (rowmill.count("datasets"), rowmill.count("records")) == (1, rows)
        assert_done(rowmill.place / "out.csv", 5)
