"""What a server may answer, and what becomes of rows and job."""

import time
from email.utils import formatdate

import pytest

from rowmill.testing import ChatRequest, ModelServer, Reply

from .harness import KEY_NAME, Answers, Rowmill, assert_done, number_of, prompt, run_words

pytestmark = pytest.mark.xdist_group("process-outcomes")


def _attempts(rowmill: Rowmill, number: int) -> list[tuple[int, str, str | None]]:
    row = rowmill.ok("rows", "last", str(number), "--json").json
    return [(a["attempt"], a["outcome"], a["error"] and a["error"]["code"]) for a in row["attempts"]]


@pytest.mark.parametrize("form", ["seconds", "date", "milliseconds"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_that_names_its_end_is_obeyed(rowmill: Rowmill, status: int, form: str) -> None:
    rowmill.table(6)
    until: list[float] = []
    early: list[float] = []

    def refusal() -> dict[str, str]:
        now = time.time()
        if form == "date":
            until.append(float(int(now + 2)))
            return {"Retry-After": formatdate(until[0], usegmt=True)}
        until.append(now + 1)
        return {"Retry-After": "1"} if form == "seconds" else {"retry-after-ms": "1000"}

    def script(request: ChatRequest) -> Reply:
        if not until:
            return Reply(status=status, headers=refusal())
        if time.time() < until[0]:
            early.append(until[0] - time.time())
        return Reply("ok")

    with ModelServer(script=script) as server:
        # One attempt is allowed, and the refusal costs none.
        rowmill.ok(*run_words(server, "in.csv", "--concurrency", "1", "--max-attempts", "1"))
        assert early == []
        assert server.total == 7
        assert_done(rowmill.place / "out.csv", 6)
        code = "rate_limited" if status == 429 else "server_error"
        assert _attempts(rowmill, 1) == [(1, "put_off", code), (1, "succeeded", None)]


def test_the_whole_connection_waits(rowmill: Rowmill) -> None:
    rowmill.table(40)
    called: list[float] = []

    def script(request: ChatRequest) -> Reply:
        called.append(time.monotonic())
        first = len(called) <= 5
        return Reply("ok", 429 if first else 200, {"Retry-After": "1.5"} if first else {})

    with ModelServer(script=script) as server:
        rowmill.ok(*run_words(server))
    # All five that were under way have been refused; the next call comes when the last of them said.
    assert called[5] - called[0] >= 1.5
    assert_done(rowmill.place / "out.csv", 40)
    assert len(called) == 45


def test_server_errors_are_tried_again_and_then_fail_the_row(rowmill: Rowmill) -> None:
    rowmill.table(6)

    def script(request: ChatRequest) -> Reply:
        broken = number_of(request) == 2 or (number_of(request) == 4 and server.counts[request.prompt] == 1)
        return Reply("ok", 500 if broken else 200)

    with ModelServer(script=script) as server:
        assert rowmill.run(*run_words(server, "in.csv", "--max-attempts", "2")).code == 4
        assert _attempts(rowmill, 2) == [(1, "put_off", "server_error"), (2, "failed", "server_error")]
        assert _attempts(rowmill, 4) == [(1, "put_off", "server_error"), (2, "succeeded", None)]
        assert server.total == 8


def test_a_refused_key_stops_the_job_and_burns_no_row(rowmill: Rowmill) -> None:
    rowmill.table(20)
    with ModelServer(key="good") as server:
        ended = rowmill.run(*run_words(server), **{KEY_NAME: "bad"})
        assert ended.code == 3
        assert "key_refused" in ended.stderr
        assert "bad" not in ended.stderr
        job = rowmill.show()
        assert (job["status"], job["unprocessed"], job["failed"], job["uncertain"]) == ("failed", 20, 0, 0)
        assert job["error"]["code"] == "key_refused"
        assert KEY_NAME in job["error"]["hint"]
        assert f"rowmill resume {job['id']}" in ended.stderr
        assert server.total <= 5
        assert _attempts(rowmill, 1) == []

        rowmill.ok("resume", "last", **{KEY_NAME: "good"})
        assert_done(rowmill.place / "out.csv", 20)
        assert rowmill.show()["error"] is None
        assert _attempts(rowmill, 1) == [(1, "succeeded", None)]


def test_an_unknown_model_stops_the_job(rowmill: Rowmill) -> None:
    rowmill.table(20)
    with ModelServer(script=lambda request: Reply(status=404)) as server:
        assert rowmill.run(*run_words(server)).code == 3
        assert rowmill.show()["error"]["code"] == "unknown_model"
        assert server.total <= 5


def test_invalid_answers_are_tried_again_and_then_fail_the_row(rowmill: Rowmill) -> None:
    rowmill.table(6)
    answers = {1: "not JSON", 2: '{"mood": "so so"}', 3: '{"other": "good"}', 4: '{"mood": "Good"}'}

    def script(request: ChatRequest) -> Reply:
        return Reply(answers.get(number_of(request), '{"mood": "bad"}'))

    with ModelServer(script=script) as server:
        ended = rowmill.run(*run_words(server, "in.csv", "-c", "mood: good | bad", "--max-attempts", "2"))
        assert ended.code == 4
        rows = rowmill.rows()
        assert [row["error"]["code"] for row in rows[:3]] == ["invalid_output"] * 3
        assert [row["output"] for row in rows[3:]] == [{"mood": "good"}, {"mood": "bad"}, {"mood": "bad"}]
        assert "not a JSON object" in rows[0]["error"]["message"]
        assert "'mood'" in rows[1]["error"]["message"]
        assert [server.counts[prompt(number)] for number in range(1, 7)] == [2, 2, 2, 1, 1, 1]


def test_lost_connections_and_garbage_are_tried_again(rowmill: Rowmill) -> None:
    rowmill.table(6)
    faults = {2: Reply(drop=True), 3: Reply(body=b"<html>"), 4: Reply(status=408)}

    def script(request: ChatRequest) -> Reply:
        first = server.counts[request.prompt] == 1
        return faults.get(number_of(request), Reply("ok")) if first else Reply("ok")

    with ModelServer(script=script) as server:
        rowmill.ok(*run_words(server))
        assert_done(rowmill.place / "out.csv", 6)
        assert [_attempts(rowmill, number)[0][2] for number in (2, 3, 4)] == [
            "connection",
            "invalid_response",
            "http_408",
        ]
        assert server.total == 9


def test_a_silent_server_meets_the_timeout(rowmill: Rowmill) -> None:
    rowmill.table(3)

    def script(request: ChatRequest) -> Reply:
        return Reply("ok", hang=server.counts[request.prompt] == 1)

    with ModelServer(script=script) as server:
        rowmill.ok(*run_words(server, "in.csv", "--timeout", "0.5"))
        assert_done(rowmill.place / "out.csv", 3)
        assert _attempts(rowmill, 1)[0] == (1, "put_off", "timeout")


def test_a_failure_spike_pauses_the_job_and_its_streak_goes_back(rowmill: Rowmill) -> None:
    rows = 150
    rowmill.table(rows)
    answers = Answers(lambda request: Reply("ok", 400 if number_of(request) > 20 else 200))
    with ModelServer(script=answers) as server:
        ended = rowmill.run(*run_words(server))
        assert ended.code == 5
        job = rowmill.show()
        assert (job["status"], job["pause_reason"]) == ("paused", "failure_spike")
        assert (job["succeeded"], job["failed"], job["unprocessed"]) == (20, 0, rows - 20)
        assert 70 <= server.total < 70 + job["concurrency"]
        assert "resume" in ended.stderr

        answers.mend()
        rowmill.ok("resume", "last")
        assert_done(rowmill.place / "out.csv", rows)


def test_resumed_after_a_failure_spike_its_error_is_accepted(rowmill: Rowmill) -> None:
    rowmill.table(10)
    with ModelServer(script=lambda request: Reply(status=400)) as server:
        assert rowmill.run(*run_words(server)).code == 5
        assert rowmill.run("resume", "last").code == 4
        assert rowmill.show()["failed"] == 10
        assert server.total == 20
