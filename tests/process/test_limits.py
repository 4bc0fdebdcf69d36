"""Requests per minute across processes, and a budget."""

import threading
import time

import pytest

from rowmill.testing import ChatRequest, ModelServer, Reply

from .harness import KEY_NAME, Rowmill, assert_done, run_words

pytestmark = pytest.mark.xdist_group("process-limits")

RPM = 600
PER_SECOND = RPM / 60
SLACK = 0.6
"""Seconds by which a call may reach the server later than it was due, on a busy machine."""


def test_rpm_holds_over_two_processes_that_share_a_key(rowmill: Rowmill) -> None:
    rows = 30
    for name in ("a", "b"):
        rowmill.table(rows, f"{name}.csv")
    called: list[float] = []
    mutex = threading.Lock()

    def script(request: ChatRequest) -> Reply:
        with mutex:
            called.append(time.monotonic())
        return Reply("ok")

    with ModelServer(script=script) as server:
        both = [
            rowmill.start(
                *run_words(server, f"{name}.csv", "--rpm", str(RPM), output=f"{name}.out.csv"), **{KEY_NAME: "k"}
            )
            for name in ("a", "b")
        ]
        assert [process.end().code for process in both] == [0, 0]
    for name in ("a", "b"):
        assert_done(rowmill.place / f"{name}.out.csv", rows)
    assert len(called) == 2 * rows
    for seconds in (1.0, 3.0, 6.0):
        most = max(sum(start <= at < start + seconds for at in called) for start in called)
        assert most <= 1 + (seconds + SLACK) * PER_SECOND, f"{most} calls in {seconds} s"
    assert called[-1] - called[0] >= (2 * rows - 1) / PER_SECOND - SLACK


def test_rpm_is_steered_by_the_same_run(rowmill: Rowmill) -> None:
    rowmill.table(200)
    with ModelServer() as server:
        slow = rowmill.start(*run_words(server, "in.csv", "--rpm", "60"))
        server.wait_for(2)
        rowmill.ok("pause", "last")
        assert slow.end().code == 5
        assert server.total < 100
        rowmill.ok(*run_words(server, "in.csv", "--rpm", "60000"))
        assert rowmill.show()["settings"]["rpm"] == 60000
        # The calls of the old pace are paid for at that pace: the next one waits for a second or two.
        assert rowmill.show()["executions"][-1]["processed"] > 100
        assert_done(rowmill.place / "out.csv", 200)
        assert server.total == 200


def test_a_budget_pauses_the_job_until_it_is_raised(rowmill: Rowmill) -> None:
    rows = 30
    rowmill.table(rows)
    # 0.10 USD a call.
    with ModelServer(script=lambda request: Reply("ok", tokens=(1000, 0))) as server:
        command = run_words(server, "in.csv", "--price", "100,0", "--budget")
        ended = rowmill.run(*command, "0.95")
        assert ended.code == 5
        job = rowmill.show()
        assert (job["status"], job["pause_reason"]) == ("paused", "budget")
        assert "--budget" in ended.stderr
        assert job["cost_usd"] <= 0.95
        assert 8 <= server.total <= 9
        assert job["succeeded"] == server.total

        assert rowmill.run("resume", "last").code == 5
        assert rowmill.show()["cost_usd"] <= 0.95, "what a call costs was known"
        rowmill.ok(*command, "4.00")
        assert rowmill.show()["cost_usd"] == 3
        assert_done(rowmill.place / "out.csv", rows)
        assert server.total == rows


def test_a_budget_needs_a_price(rowmill: Rowmill) -> None:
    rowmill.table(3)
    with ModelServer() as server:
        refused = rowmill.run(*run_words(server, "in.csv", "--budget", "1"), **{KEY_NAME: "k"})
        assert refused.code == 2
        assert "--price" in refused.complaint
        assert (server.total, rowmill.jobs()) == (0, [])
