"""Two processes want the same job: one has it, and what the other does changes nothing."""

import signal

import pytest

from rowmill.testing import ChatRequest, ModelServer, Reply

from .harness import (
    Answers,
    Process,
    Rowmill,
    assert_done,
    number_of,
    prompt,
    run_words,
    wait_until,
    written,
)

pytestmark = pytest.mark.xdist_group("process-two")


def _interrupted(rowmill: Rowmill, server: ModelServer, rows: int) -> None:
    """A job of which five calls were in flight when its engine was killed."""
    rowmill.table(rows)
    process = rowmill.start(*run_words(server))
    server.wait_for(5)
    process.kill()


def test_two_resume_the_same_job_at_the_same_moment(rowmill: Rowmill) -> None:
    rows = 60
    answers = Answers(lambda request: Reply(hang=True))
    with ModelServer(script=answers, latency=0.1) as server:
        _interrupted(rowmill, server, rows)
        answers.mend()
        ends = [process.end() for process in [rowmill.start("resume", "last") for _ in range(2)]]
        loser, winner = sorted(ends, key=lambda ended: -ended.code)
        assert (winner.code, loser.code) == (0, 2), ends
        assert "process" in loser.complaint
        assert_done(rowmill.place / "out.csv", rows)
        job = rowmill.show()
        assert server.total - rows == job["uncertain"] == 5
        assert server.peak <= 10  # five that nobody waits for any more, five of the one that works


def test_the_same_run_while_it_is_being_worked_is_refused(rowmill: Rowmill) -> None:
    rowmill.table(20)
    answers = Answers(lambda request: Reply(hang=True))
    with ModelServer(script=answers) as server:
        first = rowmill.start(*run_words(server))
        server.wait_for(5)
        second = rowmill.run(*run_words(server))
        assert second.code == 2
        assert f"process {first.pid}" in second.complaint
        assert "rowmill watch" in second.complaint
        assert first.alive
        assert server.total == 5


def test_the_same_run_started_twice_at_the_same_moment_is_one_job(rowmill: Rowmill) -> None:
    rows = 40
    rowmill.table(rows)
    with ModelServer(latency=0.1) as server:
        ends = [process.end() for process in [rowmill.start(*run_words(server)) for _ in range(2)]]
        assert sorted(ended.code for ended in ends) == [0, 2], ends
        assert_done(rowmill.place / "out.csv", rows)
        assert server.total == rows
        assert len(rowmill.jobs()) == 1
        assert rowmill.count("datasets") == 1


def _stopped_with_five_in_flight(rowmill: Rowmill, server: ModelServer) -> Process:
    rowmill.table(30)
    process = rowmill.start(*run_words(server))
    # When the second five are asked, the store has nothing to write for the first any more: it holds no lock.
    server.wait_for(10)
    process.signal(signal.SIGSTOP)
    return process


def test_a_stopped_engine_keeps_its_job(rowmill: Rowmill) -> None:
    with ModelServer(script=lambda request: Reply("ok", hang=number_of(request) > 5)) as server:
        stopped = _stopped_with_five_in_flight(rowmill, server)
        ended = rowmill.run("resume", "last")
        assert ended.code == 2
        assert f"process {stopped.pid}" in ended.complaint
        job = rowmill.show()
        assert (job["status"], job["interrupted"], job["running"]) == ("running", False, 5)
        assert server.total == 10


def test_a_stopped_engine_that_was_taken_over_overwrites_nothing(rowmill: Rowmill) -> None:
    asked: set[str] = set()

    def script(request: ChatRequest) -> Reply:
        """The second five get ``old`` on the first call, while their process is stopped, and ``new`` on the second."""
        if number_of(request) in range(6, 11) and request.prompt not in asked:
            asked.add(request.prompt)
            return Reply("old", latency=1.0)
        return Reply("new")

    with ModelServer(script=script) as server:
        stopped = _stopped_with_five_in_flight(rowmill, server)
        taken = rowmill.ok("resume", "last", "--take-over")
        assert "completed" in taken.stderr
        assert_done(rowmill.place / "out.csv", 30)
        before = rowmill.show()
        wait_until(lambda: server.active == 0, "the late answers")

        stopped.signal(signal.SIGCONT)
        ended = stopped.end()
        assert ended.code == 3
        assert "taken over the job" in ended.stderr.splitlines()[-1]
        assert "Traceback" not in ended.stderr

        after = rowmill.show()
        assert (after["succeeded"], after["uncertain"]) == (30, 5)
        assert {key: after[key] for key in ("status", "executions", "tokens_out", "finished_at")} == {
            key: before[key] for key in ("status", "executions", "tokens_out", "finished_at")
        }
        assert {line["result"] for line in written(rowmill.place / "out.csv")} == {"new"}
        assert {row["output"]["result"] for row in rowmill.rows()} == {"new"}
        assert [server.counts[prompt(number)] for number in range(1, 31)] == [1] * 5 + [2] * 5 + [1] * 20
