"""What was used stays exact through kills, and no process works beyond the limits of a month."""

from typing import Any

import pytest

from rowmill.testing import ModelServer, Reply
from tests.support.deadline import DEADLINE

from .harness import KEY_NAME, Rowmill, assert_done, run_words

pytestmark = pytest.mark.xdist_group("process-limits")

KEY = {KEY_NAME: "k"}


def usage(rowmill: Rowmill, by: str = "job") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rowmill.ok("usage", "--by", by, "--json").json
    return found


def limits(rowmill: Rowmill, *words: str) -> dict[str, Any]:
    shown: dict[str, Any] = rowmill.ok("limits", *words, "--json").json
    return shown


def test_a_limit_pauses_the_job_until_it_is_raised(rowmill: Rowmill) -> None:
    rows = 30
    rowmill.table(rows)
    assert limits(rowmill, "--rows-per-month", "10")["rows_left"] == 10
    with ModelServer() as server:
        ended = rowmill.run(*run_words(server, "in.csv"), **KEY)
        assert ended.code == 5
        assert "rowmill limits --rows-per-month N" in ended.stderr
        job = rowmill.show()
        assert (job["status"], job["pause_reason"], job["error"]["code"]) == ("paused", "usage_limit", "usage_limit")
        assert (job["succeeded"], server.total) == (10, 10)
        assert limits(rowmill)["rows_left"] == 0

        assert rowmill.run("resume", "last", **KEY).code == 5
        assert server.total == 10
        limits(rowmill, "--rows-per-month", "none")
        rowmill.ok("resume", "last", **KEY)
        assert_done(rowmill.place / "out.csv", rows)
        assert server.total == rows
    (used,) = usage(rowmill, "model")
    assert (used["model"], used["rows"], used["attempts"]) == ("openai/test", rows, rows)


def test_two_processes_keep_within_one_limit(rowmill: Rowmill) -> None:
    for name in ("a", "b"):
        rowmill.table(100, f"{name}.csv")
    limits(rowmill, "--rows-per-month", "120")
    with ModelServer(script=lambda request: Reply("ok", latency=0.01)) as server:
        both = [
            rowmill.start(*run_words(server, f"{name}.csv", "--concurrency", "10", output=f"{name}.out.csv"), **KEY)
            for name in ("a", "b")
        ]
        assert 5 in [process.end().code for process in both]
        assert server.total == 120
    assert sum(used["rows"] for used in usage(rowmill)) == 120


def test_usage_is_what_was_saved_after_every_kill(rowmill: Rowmill) -> None:
    rows = 400
    rowmill.table(rows)
    prices = ("--price", "100,0", "--concurrency", "8")
    with ModelServer(script=lambda request: Reply("ok", latency=0.01, tokens=(1000, 7))) as server:
        for calls in (60, 150, 250):
            process = rowmill.start(*run_words(server, "in.csv", *prices), **KEY)
            server.wait_for(calls, DEADLINE)
            process.kill()
            _agree(rowmill)
        rowmill.ok(*run_words(server, "in.csv", *prices), **KEY)
        job = _agree(rowmill)
        assert job["succeeded"] == rows
        assert server.total - rows <= job["uncertain"]


def _agree(rowmill: Rowmill) -> dict[str, Any]:
    """Asserts that usage and the job's own counts say the same; returns the job."""
    job = rowmill.show()
    (used,) = usage(rowmill)
    assert used["job"] == job["id"]
    assert used["rows"] == used["attempts"] == job["succeeded"]
    assert (used["tokens_in"], used["tokens_out"]) == (job["tokens_in"], job["tokens_out"])
    assert used["cost_usd"] == job["cost_usd"] == pytest.approx(0.1 * job["succeeded"])
    assert [day["rows"] for day in usage(rowmill, "day")] == [used["rows"]]
    return job


def test_limits_and_usage_are_told_in_words(rowmill: Rowmill) -> None:
    assert "no limit" in rowmill.ok("limits").stdout
    assert "of 1,000" in rowmill.ok("limits", "--rows-per-month", "1,000", "--usd-per-month", "5.50").stdout
    assert "of $5.50" in rowmill.ok("limits").stdout
    assert "Nothing was used" in rowmill.ok("usage", "--month", "2020-01").stderr
    assert rowmill.run("usage", "--month", "soon").code == 2
    assert "neither a number nor none" in rowmill.run("limits", "--usd-per-month", "much").complaint
