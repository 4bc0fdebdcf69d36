"""``rowmill serve``: the API and a worker under one command, beside other commands, killed and restarted."""

import signal
import socket
import threading
from math import inf

import pytest
import urllib3

from rowmill.testing import ChatRequest, ModelServer, Reply
from tests.support.deadline import DEADLINE

from .gauge import random_moments
from .harness import KEY_NAME, Answers, Rowmill, held_after, number_of, prompt, run_words, wait_until
from .serving import KEY, Server, check_counts, connect, end, make_token, serve, told_where

# Where it answers


def test_it_says_where_it_answers_and_ends_with_zero(rowmill: Rowmill) -> None:
    server = serve(rowmill)
    assert server.url.startswith("http://127.0.0.1:")
    assert server.get("/healthz") == {"status": "ok"}
    assert server.get("/readyz") == {"status": "ok"}
    [worker] = server.get("/v1/workers")["data"]
    assert worker["alive"]
    end(server)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_and_a_closed_terminal_end_it_too(rowmill: Rowmill, number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # or a server of tests under nohup would ignore it, too
    try:
        server = serve(rowmill)
    finally:
        signal.signal(number, before)
    end(server, number)


def test_under_nohup_it_outlives_its_terminal(rowmill: Rowmill) -> None:
    server = told_where(rowmill.start_through(["nohup"], "serve", "--port", "0"))
    server.process.signal(signal.SIGHUP)
    assert server.get("/healthz") == {"status": "ok"}
    end(server)


def test_without_a_token_it_answers_on_this_machine_only(rowmill: Rowmill) -> None:
    refused = rowmill.run("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.code == 2
    assert "rowmill tokens create" in refused.complaint


def test_with_a_token_it_answers_others_who_know_it(rowmill: Rowmill) -> None:
    token = make_token(rowmill, "read")
    server = serve(rowmill, "--host", "0.0.0.0")
    assert server.ask("GET", "/v1/jobs").status == 401
    assert server.ask("GET", "/healthz").status == 200
    server.token = token
    assert server.get("/v1/jobs")["data"] == []
    rowmill.ok("tokens", "revoke", "for read")
    assert server.ask("GET", "/v1/jobs").status == 401, "with no token left it is not open to everybody"
    end(server)


def test_a_token_is_needed_on_this_machine_as_soon_as_there_is_one(rowmill: Rowmill) -> None:
    server = serve(rowmill)
    assert server.ask("GET", "/v1/jobs").status == 200
    make_token(rowmill)
    assert server.ask("GET", "/v1/jobs").status == 401
    end(server)


def test_a_port_that_is_taken_is_said_in_one_sentence(rowmill: Rowmill) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = rowmill.run("serve", "--port", port)
    assert ended.code == 2
    assert port in ended.complaint
    assert "--port" in ended.complaint
    assert rowmill.count("engines") == 0


def test_of_two_servers_at_one_port_the_second_is_refused(rowmill: Rowmill) -> None:
    server = serve(rowmill)
    ended = rowmill.run("serve", "--port", server.url.rpartition(":")[2])
    assert ended.code == 2
    assert "cannot be served at" in ended.complaint
    end(server)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_of_no_kind_is_said_in_one_sentence(rowmill: Rowmill, host: str) -> None:
    make_token(rowmill)
    ended = rowmill.run("serve", "--host", host, "--port", "0")
    assert ended.code == 2
    assert host in ended.complaint


# Working


def test_a_job_made_over_http_is_worked_to_the_end(rowmill: Rowmill) -> None:
    server = serve(rowmill)
    with ModelServer(key=KEY) as models:
        connect(rowmill, models)
        job = server.completed(server.submit(40))
        assert (job["succeeded"], job["uncertain"]) == (40, 0)
        assert models.counts == {prompt(number): 1 for number in range(1, 41)}
    rows = server.get(f"/v1/jobs/{job['id']}/rows?limit=1000")["data"]
    assert [row["output"] for row in rows] == [{"result": "ok"}] * 40
    assert rowmill.show(job["id"])["succeeded"] == 40
    end(server)


def test_the_command_line_and_the_api_work_on_one_store(rowmill: Rowmill) -> None:
    rowmill.table(200)
    server = serve(rowmill)
    with ModelServer(script=held_after(10)) as models:
        connect(rowmill, models)
        run = rowmill.start(*run_words(models), **{KEY_NAME: "any"})
        wait_until(lambda: bool(server.get("/v1/jobs")["data"]), "the job of the command")
        [of_command] = server.get("/v1/jobs")["data"]
        of_api = server.submit(200, name="of the API")
        server.wait_for_job(of_api, lambda job: job["succeeded"] == 10)

        paused = rowmill.ok("pause", of_api, "--json").json
        assert paused["stopping"], "five calls are in flight"
        assert server.post(f"/v1/jobs/{of_command['id']}/pause")["stopping"]
        models.release()
        server.wait_for_job(of_api, lambda job: job["status"] == "paused")
        assert run.end().code == 5
        assert server.job(of_command["id"])["pause_reason"] == "user"
        jobs = {job["id"]: job["status"] for job in rowmill.jobs()}
        assert jobs == {of_api: "paused", of_command["id"]: "paused"}

        server.post(f"/v1/jobs/{of_api}/resume")
        rowmill.ok("resume", of_command["id"], **{KEY_NAME: "any"})
        assert server.completed(of_api)["succeeded"] == 200
        assert server.job(of_command["id"])["status"] == "completed"
        assert set(models.counts.values()) == {2}, "each text once by each job"
    end(server)


def test_a_job_of_a_command_is_left_to_it(rowmill: Rowmill) -> None:
    rowmill.table(20)
    with ModelServer(latency=0.3) as models:
        run = rowmill.start(*run_words(models), **{KEY_NAME: "any"})
        models.wait_for(1)
        server = serve(rowmill)
        assert run.end().code == 0
        job = server.get("/v1/jobs")["data"][0]
        assert job["status"] == "completed"
        assert len(server.job(job["id"])["executions"]) == 1
        assert models.total == 20
    end(server)


def test_without_a_worker_it_answers_and_leaves_the_jobs_to_others(rowmill: Rowmill) -> None:
    server = serve(rowmill, "--no-worker")
    assert server.get("/readyz") == {"status": "ok"}
    assert server.get("/v1/workers")["data"] == []
    with ModelServer(key=KEY) as models:
        connect(rowmill, models)
        job = server.submit(5)
        worker = rowmill.start("worker")
        assert server.completed(job)["succeeded"] == 5
        [listed] = rowmill.ok("workers", "--json").json
        assert server.get("/v1/workers")["data"] == [listed]
        assert (listed["pid"], listed["alive"], listed["jobs"]) == (worker.pid, True, [])
        assert f"{listed['id']}  {worker.pid}  yes" in rowmill.ok("workers").stdout
        end(server)
        assert worker.alive
        worker.signal(signal.SIGINT)
        assert worker.end().code == 0
    assert "There are no workers" in rowmill.ok("workers").stderr


# Crashes


def test_killed_and_started_again_it_goes_on_by_itself(rowmill: Rowmill) -> None:
    rows, kills, concurrency = 600, 6, 12
    chance = random_moments()
    last_answered: float = 0

    def script(request: ChatRequest) -> Reply:
        """However late a kill comes, rows are left for the next one."""
        return Reply("ok", latency=0.005 + number_of(request) % 7 * 0.005, hang=models.total > last_answered)

    with ModelServer(script=script) as models:
        connect(rowmill, models)
        job = ""
        saved: dict[int, int] = {}
        for _ in range(kills):
            kill_at = models.total + chance.randint(1, rows // kills - 60)
            last_answered = kill_at + 30
            server = serve(rowmill)
            job = job or server.submit(rows, concurrency=concurrency)
            models.wait_for(kill_at)
            check_counts(server.job(job))
            server.process.kill()
            shown = rowmill.show(job)
            check_counts(shown)
            assert (shown["status"], shown["interrupted"]) == ("running", True) or shown["status"] == "pending"
            done = {row["number"] for row in rowmill.rows("succeeded", job)}
            assert saved.keys() <= done, "a saved row was lost"
            saved.update({number: models.counts[prompt(number)] for number in done - saved.keys()})
        last_answered = inf
        server = serve(rowmill)
        done_job = server.completed(job)
        check_counts(done_job)
        assert done_job["succeeded"] + done_job["failed"] == rows
        assert {row["error"]["code"] for row in rowmill.rows("failed", job)} <= {"crashed_process"}
        assert done_job["uncertain"] <= kills * concurrency
        assert models.total - len(models.counts) <= done_job["uncertain"]
        assert {number: models.counts[prompt(number)] for number in saved} == saved, "a saved row was called again"
        assert len(models.counts) == rows
        end(server)


def test_counts_hold_at_every_look(rowmill: Rowmill) -> None:
    with ModelServer(latency=0.01) as models:
        connect(rowmill, models)
        server = serve(rowmill)
        job = server.submit(400, concurrency=20)
        before = 0
        while (shown := server.job(job))["status"] in ("pending", "running"):
            check_counts(shown)
            assert shown["processed"] >= before
            assert shown["running"] <= 20
            before = shown["processed"]
        check_counts(server.completed(job))
        end(server)


# Stopping


def _after_ten_never(request: ChatRequest) -> Reply:
    return Reply("ok", hang=number_of(request) > 10)


def test_sigterm_ends_within_its_grace_though_a_provider_never_answers(rowmill: Rowmill) -> None:
    answers = Answers(_after_ten_never)
    with ModelServer(script=answers) as models:
        connect(rowmill, models)
        server = serve(rowmill, "--grace", "1")
        job = server.submit(30)
        server.wait_for_job(job, lambda shown: shown["succeeded"] == 10 and shown["running"] == 5)
        models.wait_for(15)
        end(server)
        shown = rowmill.show(job)
        check_counts(shown)
        assert (shown["succeeded"], shown["uncertain"], shown["running"]) == (10, 5, 0)
        assert shown["status"] == "pending"

        answers.mend()
        server = serve(rowmill)
        assert server.completed(job)["succeeded"] == 30
        assert [models.counts[prompt(number)] for number in range(1, 31)] == [1] * 10 + [2] * 5 + [1] * 15
        end(server)


def test_sigterm_saves_what_is_answered_within_the_grace(rowmill: Rowmill) -> None:
    with ModelServer(latency=1.0) as models:
        connect(rowmill, models)
        server = serve(rowmill, "--grace", "10")
        job = server.submit(30)
        models.wait_for(5)
        end(server)
        shown = rowmill.show(job)
        assert (shown["succeeded"], shown["uncertain"], shown["status"]) == (models.total, 0, "pending")
        server = serve(rowmill)
        server.wait_for_job(job, lambda shown: shown["processed"] > 10)
        end(server)
        assert set(models.counts.values()) == {1}


def test_no_grace_leaves_at_once(rowmill: Rowmill) -> None:
    with ModelServer(script=held_after(0)) as models:
        connect(rowmill, models)
        server = serve(rowmill, "--grace", "0")
        job = server.submit(5)
        models.wait_for(5)
        end(server)
        assert rowmill.show(job)["uncertain"] == 5


def test_a_second_ctrl_c_aborts_what_is_in_flight(rowmill: Rowmill) -> None:
    with ModelServer(script=held_after(0)) as models:
        connect(rowmill, models)
        server = serve(rowmill, "--grace", "3600")
        job = server.submit(5)
        models.wait_for(5)
        server.process.signal(signal.SIGINT)
        wait_until(lambda: not server.answers, "the end of answering")
        end(server, signal.SIGINT)
        shown = rowmill.show(job)
        check_counts(shown)
        assert (shown["status"], shown["uncertain"]) == ("pending", 5)


def test_sigterm_ends_open_streams(rowmill: Rowmill) -> None:
    with ModelServer(latency=0.5) as models:
        connect(rowmill, models)
        server = serve(rowmill, "--grace", "3")
        job = server.submit(100)
        heard = [_listen(server, path) for path in ("/v1/events", f"/v1/jobs/{job}/events") * 5]
        models.wait_for(5)
        end(server)
        for thread, content in heard:
            thread.join(DEADLINE)
            assert not thread.is_alive()
            assert b"event:" in b"".join(content)


def _listen(server: Server, path: str) -> tuple[threading.Thread, list[bytes]]:
    """Follows a stream to its end in a thread; returns once it has begun."""
    content: list[bytes] = []
    begun = threading.Event()

    def follow() -> None:
        answer = urllib3.request("GET", server.url + path, preload_content=False, timeout=DEADLINE, retries=False)
        assert answer.status == 200
        try:
            for part in answer.stream(1):
                content.append(part)
                begun.set()
        except urllib3.exceptions.HTTPError:
            pass  # cut off

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert begun.wait(DEADLINE)
    return thread, content
