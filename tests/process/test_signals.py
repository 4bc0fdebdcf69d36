"""Ctrl-C, a second Ctrl-C, SIGTERM."""

import signal

import pytest

from rowmill.testing import ChatRequest, ModelServer, Reply

from .harness import Answers, Ended, Rowmill, assert_done, number_of, prompt, run_words, wait_until

pytestmark = pytest.mark.xdist_group("process-signals")

TERM_GRACE = 10.0


def _resume_line(rowmill: Rowmill) -> str:
    return f"Go on with: rowmill resume {rowmill.show()['id']}"


def _check_paused(rowmill: Rowmill, ended: Ended, code: int) -> None:
    assert ended.code == code, ended
    assert ended.stderr.splitlines()[-1] == _resume_line(rowmill)
    assert "Traceback" not in ended.stderr
    job = rowmill.show()
    assert (job["status"], job["pause_reason"], job["stopping"]) == ("paused", "user", False)
    assert not (rowmill.place / "out.csv").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 5)])
def test_rows_in_flight_are_saved(rowmill: Rowmill, number: signal.Signals, code: int) -> None:
    rowmill.table(60)
    with ModelServer(latency=0.5) as server:
        process = rowmill.start(*run_words(server))
        server.wait_for(10)
        process.signal(number)
        _check_paused(rowmill, process.end(), code)
        job = rowmill.show()
        assert (job["succeeded"], job["uncertain"], job["running"]) == (server.total, 0, 0)
        assert job["executions"][-1]["ended_as"] == "paused"


def _five_then_silence(request: ChatRequest) -> Reply:
    return Reply("ok", hang=number_of(request) > 5)


def test_a_second_ctrl_c_leaves_at_once(rowmill: Rowmill) -> None:
    rowmill.table(30)
    answers = Answers(_five_then_silence)
    with ModelServer(script=answers) as server:
        process = rowmill.start(*run_words(server))
        server.wait_for(10)
        process.signal(signal.SIGINT)
        process.wait_for("Pausing")
        assert process.alive
        process.signal(signal.SIGINT)
        _check_paused(rowmill, process.end(), 130)
        job = rowmill.show()
        assert (job["succeeded"], job["uncertain"], job["unprocessed"]) == (5, 5, 25)
        assert job["executions"][-1]["uncertain"] == 5

        answers.mend()
        rowmill.ok("resume", "last")
        assert_done(rowmill.place / "out.csv", 30)
        assert [server.counts[prompt(number)] for number in range(1, 31)] == [1] * 5 + [2] * 5 + [1] * 20


def test_sigterm_waits_for_silent_calls_no_longer_than_its_grace(rowmill: Rowmill) -> None:
    rowmill.table(30)
    with ModelServer(script=_five_then_silence) as server:
        process = rowmill.start(*run_words(server))
        server.wait_for(10)
        process.signal(signal.SIGTERM)
        _check_paused(rowmill, process.end(), 5)
        job = rowmill.show()
        assert (job["succeeded"], job["uncertain"], job["unprocessed"]) == (5, 5, 25)


def test_ctrl_c_while_the_input_is_read_leaves_nothing(rowmill: Rowmill) -> None:
    rows = 300_000
    rowmill.table(rows)
    with ModelServer() as server:
        process = rowmill.start(*run_words(server))
        wait_until(lambda: rowmill.count("records") > 0, "the first records")
        process.signal(signal.SIGINT)
        ended = process.end()
        assert ended.code == 130
        assert "Traceback" not in ended.stderr
        assert rowmill.jobs() == []
        assert (rowmill.count("datasets"), rowmill.count("records")) == (0, 0)
        assert server.total == 0
