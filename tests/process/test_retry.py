"""Failed rows: run again all, by code, by number, alone; or dismissed."""

import pytest

from rowmill.testing import ChatRequest, ModelServer, Reply

from .harness import Answers, Rowmill, assert_done, number_of, prompt, run_words

pytestmark = pytest.mark.xdist_group("process-control")

ROWS = 20


def _some_fail(request: ChatRequest) -> Reply:
    """Rows 1 to 3 are bad requests, rows 4 and 5 meet the content filter."""
    number = number_of(request)
    if number <= 3:
        return Reply(status=400)
    return Reply("ok", finish_reason="content_filter" if number <= 5 else "stop")


def _calls(server: ModelServer) -> list[int]:
    return [server.counts[prompt(number)] for number in range(1, 8)]


def _failed(rowmill: Rowmill) -> dict[int, str]:
    return {row["number"]: row["error"]["code"] for row in rowmill.rows("failed")}


def test_failed_rows_are_retried_alone(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    answers = Answers(_some_fail)
    with ModelServer(script=answers) as server:
        ended = rowmill.run(*run_words(server))
        assert ended.code == 4
        assert "5 failed" in ended.stderr
        assert _failed(rowmill) == {
            **dict.fromkeys((1, 2, 3), "bad_request"),
            **dict.fromkeys((4, 5), "content_filter"),
        }
        assert rowmill.show()["needs_attention"] is True

        answers.mend()
        assert rowmill.run("retry", "last", "--rows", "2-4", "--code", "bad_request").code == 4
        assert (list(_failed(rowmill)), _calls(server)) == ([1, 4, 5], [1, 2, 2, 1, 1, 1, 1])
        assert rowmill.run("retry", "last", "--code", "content_filter").code == 4
        assert (list(_failed(rowmill)), _calls(server)) == ([1], [1, 2, 2, 2, 2, 1, 1])
        rowmill.ok("retry", "last")
        assert (_failed(rowmill), _calls(server)) == ({}, [2, 2, 2, 2, 2, 1, 1])
        assert_done(rowmill.place / "out.csv", ROWS)

        refused = rowmill.run("retry", "last")
        assert refused.code == 2
        assert "no failed row" in refused.complaint
        outcomes = [attempt["outcome"] for attempt in rowmill.ok("rows", "last", "1", "--json").json["attempts"]]
        assert outcomes == ["failed", "succeeded"]


def test_retry_failed_only_leaves_untouched_rows_alone(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)

    def script(request: ChatRequest) -> Reply:
        return Reply(status=400) if number_of(request) <= 3 else Reply("ok", hang=number_of(request) > 5)

    answers = Answers(script)
    with ModelServer(script=answers) as server:
        running = rowmill.start(*run_words(server))
        server.wait_for(10)
        running.kill()
        rowmill.ok("pause", "last")
        answers.mend()
        ended = rowmill.run("retry", "last", "--failed-only")
        job = rowmill.show()
        assert ended.code == 5
        assert (job["status"], job["failed"]) == ("paused", 0)
        assert server.counts[prompt(1)] == 2
        assert server.counts[prompt(11)] == 0, "a row that was never tried is left alone"
        rowmill.ok("resume", "last")
        assert_done(rowmill.place / "out.csv", ROWS)


def test_dismissed_failures_need_no_attention_until_retried(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    with ModelServer(script=_some_fail) as server:
        assert rowmill.run(*run_words(server)).code == 4
        assert "needs no attention" in rowmill.ok("dismiss", "last").stdout
        job = rowmill.show()
        assert (job["needs_attention"], job["failed"], job["status"]) == (False, 5, "completed")
        assert rowmill.run("retry", "last").code == 4
        assert rowmill.show()["needs_attention"] is True


def test_max_failed_decides_about_the_exit_code(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    with ModelServer(script=_some_fail) as server:
        rowmill.ok(*run_words(server, "in.csv", "--max-failed", "25%"))
        for allowed, code in (("5", 0), ("4", 4), ("24%", 4), ("0", 4)):
            assert rowmill.run(*run_words(server, "in.csv", "--max-failed", allowed)).code == code
        assert server.total == ROWS
