"""``kill -9`` at chosen moments: reading the input, writing the output, pausing, cancelling."""

import csv
import signal

import pytest

from rowmill.testing import ModelServer, Reply

from .harness import Answers, Rowmill, assert_done, number_of, prompt, run_words, wait_until, written

pytestmark = pytest.mark.xdist_group("process-kill-moments")

AGAIN = pytest.mark.parametrize("again", ["run", "resume"])


def test_killed_while_it_reads_the_input(rowmill: Rowmill) -> None:
    rows = 300_000
    rowmill.table(rows)
    with ModelServer() as server:
        command = run_words(server, "in.csv", "--rows", "1-20")
        process = rowmill.start(*command)
        wait_until(lambda: rowmill.home.joinpath("rowmill.db").exists(), "the store")
        wait_until(lambda: rowmill.count("records") > 0, "the first records")
        process.kill()
        assert 0 < rowmill.count("records") < rows
        assert rowmill.jobs() == []
        assert server.total == 0

        rowmill.ok(*command)
        assert (rowmill.count("datasets"), rowmill.count("records")) == (1, rows)
        assert_done(rowmill.place / "out.csv", 20)
        assert server.total == 20


@AGAIN
def test_killed_while_it_writes_the_output(rowmill: Rowmill, again: str) -> None:
    rows = 1500
    with (rowmill.place / "in.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "ballast"])
        # Long cells: writing them takes a while, calling the server about them does not.
        writer.writerows([number, f"text-{number}", "x" * 20_000] for number in range(1, rows + 1))
    with ModelServer(keep_requests=False) as server:
        command = run_words(server, "in.csv", "--concurrency", "50")
        process = rowmill.start(*command)
        server.wait_for(rows, timeout=60)
        wait_until(lambda: bool(list(rowmill.place.glob(".*.part"))), "the unfinished output")
        process.kill()
        assert not (rowmill.place / "out.csv").exists()
        assert rowmill.show()["status"] == "completed"

        rowmill.ok(*(command if again == "run" else ("resume", "last")))
        assert_done(rowmill.place / "out.csv", rows)
        assert {len(line["ballast"]) for line in written(rowmill.place / "out.csv")} == {20_000}
        assert list(rowmill.place.glob(".*.part")) == []
        assert server.total == rows


@AGAIN
def test_killed_while_it_pauses(rowmill: Rowmill, again: str) -> None:
    rowmill.table(30)
    answers = Answers(lambda request: Reply(hang=True))
    with ModelServer(script=answers) as server:
        command = run_words(server)
        process = rowmill.start(*command)
        server.wait_for(5)
        asked = rowmill.ok("pause", "last", "--json").json
        assert (asked["status"], asked["stopping"], asked["running"]) == ("running", True, 5)
        process.kill()
        left = rowmill.show()
        assert (left["interrupted"], left["succeeded"], left["running"]) == (True, 0, 5)

        answers.mend()
        rowmill.ok(*(command if again == "run" else ("resume", "last")))
        job = rowmill.show()
        assert (job["status"], job["succeeded"], job["uncertain"]) == ("completed", 30, 5)
        assert_done(rowmill.place / "out.csv", 30)
        assert [server.counts[prompt(number)] for number in range(1, 31)] == [2] * 5 + [1] * 25


def test_a_pause_of_an_interrupted_job_takes_effect_at_once(rowmill: Rowmill) -> None:
    rowmill.table(30)
    with ModelServer(script=lambda request: Reply(hang=True)) as server:
        process = rowmill.start(*run_words(server))
        server.wait_for(5)
        process.kill()
        paused = rowmill.ok("pause", "last", "--json").json
        assert (paused["status"], paused["stopping"], paused["interrupted"]) == ("paused", False, False)
        assert (paused["uncertain"], paused["pause_reason"]) == (5, "user")


def _killed_while_cancelling(rowmill: Rowmill, server: ModelServer) -> list[str]:
    """A job whose engine died before it could obey ``cancel``; returns the command that had started it."""
    rowmill.table(30)
    command = run_words(server)
    process = rowmill.start(*command)
    server.wait_for(10)
    process.signal(signal.SIGSTOP)  # or it would obey before it can be killed
    asked = rowmill.ok("cancel", "last", "--json").json
    assert (asked["status"], asked["stopping"]) == ("running", True)
    process.kill()
    assert not (rowmill.place / "out.csv").exists()
    return command


def _five_then_silence() -> Answers:
    return Answers(lambda request: Reply("ok", hang=number_of(request) > 5))


def test_killed_while_it_cancels_then_cancelled_again(rowmill: Rowmill) -> None:
    answers = _five_then_silence()
    with ModelServer(script=answers) as server:
        _killed_while_cancelling(rowmill, server)
        assert "is cancelled" in rowmill.ok("cancel", "last").stdout
        job = rowmill.show()
        assert (job["status"], job["succeeded"], job["uncertain"]) == ("cancelled", 5, 5)


def test_killed_while_it_cancels_then_resumed(rowmill: Rowmill) -> None:
    answers = _five_then_silence()
    with ModelServer(script=answers) as server:
        _killed_while_cancelling(rowmill, server)
        ended = rowmill.run("resume", "last")
        assert ended.code == 2
        assert "cancelled" in ended.complaint
        assert rowmill.show()["status"] == "cancelled"

        answers.mend()
        rowmill.ok("run", "--from", "last", "--only", "unprocessed")
        assert [job["status"] for job in rowmill.jobs()] == ["completed", "cancelled"]
        assert [server.counts[prompt(number)] for number in range(1, 31)] == [1] * 5 + [2] * 5 + [1] * 20


def test_killed_while_it_cancels_then_run_again(rowmill: Rowmill) -> None:
    answers = _five_then_silence()
    with ModelServer(script=answers) as server:
        command = _killed_while_cancelling(rowmill, server)
        answers.mend()
        rowmill.ok(*command)
        assert [job["status"] for job in rowmill.jobs()] == ["completed", "cancelled"]
        assert_done(rowmill.place / "out.csv", 30)
