"""Control from another terminal, on a job that another process works."""

import pytest

from rowmill.testing import ChatRequest, ModelServer, Reply

from .harness import Answers, Process, Rowmill, assert_done, held_after, number_of, prompt, run_words, written

pytestmark = pytest.mark.xdist_group("process-control")


def _five_then_silence(request: ChatRequest) -> Reply:
    return Reply("ok", hang=number_of(request) > 5)


def _running(rowmill: Rowmill, server: ModelServer, calls: int, rows: int = 30) -> Process:
    """A job under way that has made at least ``calls`` calls."""
    rowmill.table(rows)
    process = rowmill.start(*run_words(server))
    server.wait_for(calls)
    return process


def test_pause_is_obeyed_and_saves_what_is_in_flight(rowmill: Rowmill) -> None:
    rows = 200
    with ModelServer(script=held_after(5)) as server:
        running = _running(rowmill, server, 10, rows)
        pausing = rowmill.start("pause", "last")
        rowmill.wait_for_job(lambda job: job["stopping"])
        server.release()
        paused = pausing.end()
        ended = running.end()
        job = rowmill.show()
        assert ended.code == 5
        assert ended.stderr.splitlines()[-1] == f"Go on with: rowmill resume {job['id']}"
        assert paused.stdout == f"{job['id']} is paused.\n"
        assert (job["status"], job["pause_reason"], job["interrupted"]) == ("paused", "user", False)
        assert (job["succeeded"], job["uncertain"]) == (server.total, 0)
        assert not (rowmill.place / "out.csv").exists()

        assert "is paused" in rowmill.ok("pause", "last").stdout  # a second pause changes nothing
        rowmill.ok("resume", "last")
        assert_done(rowmill.place / "out.csv", rows)
        assert server.total == rows


def test_resume_takes_back_a_pause_that_is_being_obeyed(rowmill: Rowmill) -> None:
    with ModelServer(script=held_after(0)) as server:
        running = _running(rowmill, server, 5)
        assert rowmill.ok("pause", "last", "--json").json["stopping"] is True
        assert "goes on" in rowmill.ok("resume", "last").stdout
        server.release()
        assert running.end().code == 0
        assert_done(rowmill.place / "out.csv", 30)
        assert server.total == 30


def test_cancel_aborts_what_is_in_flight_and_keeps_what_is_done(rowmill: Rowmill) -> None:
    answers = Answers(_five_then_silence)
    with ModelServer(script=answers) as server:
        running = _running(rowmill, server, 10)
        cancelled = rowmill.ok("cancel", "last", "--json").json
        ended = running.end()
        assert ended.code == 5
        assert (cancelled["status"], cancelled["succeeded"], cancelled["unprocessed"]) == ("cancelled", 5, 25)
        assert cancelled["uncertain"] == 5
        assert f"rowmill run --from {cancelled['id']} --only unprocessed" in ended.stderr
        assert not (rowmill.place / "out.csv").exists()

        for command in (["resume"], ["retry"], ["pause"], ["cancel"], ["dismiss"]):
            refused = rowmill.run(*command, "last")
            assert refused.code == 2
            assert "A cancelled job cannot be" in refused.complaint

        answers.mend()
        rowmill.ok("run", "--from", "last", "--only", "unprocessed", "-o", "rest.csv")
        assert [line["id"] for line in written(rowmill.place / "rest.csv")] == [str(n) for n in range(6, 31)]
        assert [server.counts[prompt(number)] for number in range(1, 6)] == [1] * 5


@pytest.mark.parametrize("concurrency", [20, 40])
def test_cancel_is_obeyed_at_full_speed(rowmill: Rowmill, concurrency: int) -> None:
    """Nearly always a commit sees the request, and the calls that it starts have not begun when they are aborted."""
    rowmill.table(20_000)
    with ModelServer(latency=0.001, keep_requests=False) as server:
        running = rowmill.start(*run_words(server, "in.csv", "--concurrency", str(concurrency)))
        server.wait_for(500)
        cancelled = rowmill.ok("cancel", "last", "--json").json
        assert cancelled["status"] == "cancelled"
        assert running.end().code == 5
        assert server.total - cancelled["succeeded"] <= cancelled["uncertain"] <= concurrency


def test_a_running_job_is_neither_resumed_nor_retried_nor_deleted(rowmill: Rowmill) -> None:
    with ModelServer(script=_five_then_silence) as server:
        running = _running(rowmill, server, 10)
        for command in ("resume", "retry", "delete"):
            refused = rowmill.run(command, "last")
            assert refused.code == 2
            assert f"process {running.pid}" in refused.complaint
        assert rowmill.run("dismiss", "last").code == 2
        job = rowmill.show()
        assert (job["status"], job["stopping"], job["running"]) == ("running", False, 5)
        assert server.total == 10


def test_delete_removes_the_job_and_its_dataset_but_not_the_output(rowmill: Rowmill) -> None:
    rowmill.table(5)
    with ModelServer() as server:
        rowmill.ok(*run_words(server))
    assert "is deleted" in rowmill.ok("delete", "last").stdout
    assert rowmill.jobs() == []
    assert [rowmill.count(table) for table in ("datasets", "records", "outcomes", "executions")] == [0] * 4
    assert_done(rowmill.place / "out.csv", 5)


def test_looking_at_a_running_job(rowmill: Rowmill) -> None:
    with ModelServer(script=_five_then_silence) as server:
        _running(rowmill, server, 10)
        job = rowmill.show()
        assert (job["succeeded"], job["running"], job["unprocessed"], job["total"]) == (5, 5, 25, 30)
        assert (job["uncertain"], job["stopping"], job["concurrency"]) == (0, False, 5)
        assert [row["number"] for row in rowmill.rows("running")] == [6, 7, 8, 9, 10]
        assert [row["number"] for row in rowmill.rows("pending")] == list(range(11, 31))
        one = rowmill.ok("rows", "last", "3", "--json").json
        assert (one["status"], one["values"], one["output"]) == (
            "succeeded",
            {"id": "3", "text": "text-3"},
            {"result": "ok"},
        )
        assert [attempt["outcome"] for attempt in one["attempts"]] == ["succeeded"]
        assert rowmill.run("rows", "last", "31").code == 2
        assert job["id"] in rowmill.ok("show", "last").stdout
        assert "text-3" in rowmill.ok("rows", "last").stdout


def test_jobs_are_listed_by_status_and_found_by_name(rowmill: Rowmill) -> None:
    with ModelServer() as server:
        for name in ("a", "b"):
            rowmill.table(2, f"{name}.csv")
            rowmill.ok(*run_words(server, f"{name}.csv", "--name", name, "--new", output=None))
        rowmill.ok(*run_words(server, "a.csv", "--name", "c", "--new", "--detach", output=None))
    assert [job["name"] for job in rowmill.jobs()] == ["c", "b", "a"]
    pending, second, first = rowmill.jobs()
    assert [job["id"] for job in rowmill.ok("jobs", "--status", "pending", "--json").json] == [pending["id"]]
    assert rowmill.ok("jobs", "--status", "failed", "--json").json == []
    assert first["id"] in rowmill.ok("jobs").stdout

    assert rowmill.show("last")["id"] == pending["id"]
    assert rowmill.show(first["id"])["name"] == "a"
    assert rowmill.show(second["id"][:-1])["name"] == "b"
    assert rowmill.show(second["id"].removeprefix("job_")[:9])["name"] == "b"
    for name, words in (("job_", "More than one"), ("nobody", "neither a job nor a dataset 'nobody'")):
        ended = rowmill.run("show", name)
        assert ended.code == 2
        assert words in ended.complaint


@pytest.mark.parametrize(
    ("answer", "code"),
    [(Reply("ok"), 0), (Reply(status=401), 3)],
    ids=["completed", "failed"],
)
def test_watch_exits_as_the_job_ends(rowmill: Rowmill, answer: Reply, code: int) -> None:
    answers = Answers(lambda request: Reply(answer.content, answer.status, latency=1.0))
    with ModelServer(script=answers) as server:
        running = _running(rowmill, server, 5, 5)
        assert rowmill.run("watch", "last").code == running.end().code == code


def test_watch_tells_of_failed_rows_of_a_pause_and_of_an_interruption(rowmill: Rowmill) -> None:
    def script(request: ChatRequest) -> Reply:
        return Reply(status=400) if number_of(request) == 1 else Reply("ok", held=True)

    with ModelServer(script=script) as server:
        running = _running(rowmill, server, 5)
        watching = rowmill.start("watch", "last")
        rowmill.ok("pause", "last")
        server.release()
        assert watching.end().code == running.end().code == 5
        assert rowmill.run("resume", "last").code == 4
        watched = rowmill.run("watch", "last", "--json")
        assert (watched.code, watched.json["failed"]) == (4, 1)

        killed = rowmill.start(*run_words(server, "in.csv", "--new", output=None))
        server.wait_for(server.total + 1)
        killed.kill()
        watched = rowmill.run("watch", "last")
        assert watched.code == 5
        assert "rowmill resume" in watched.stderr


def test_doctor_says_what_to_do_about_a_file_that_is_no_database(rowmill: Rowmill) -> None:
    assert "store: sound" in rowmill.ok("doctor").stdout
    (rowmill.home / "rowmill.db").write_bytes(b"no database" * 1000)
    ended = rowmill.run("doctor")
    assert ended.code == 3
    assert "Put a copy of rowmill.db back" in ended.stdout
