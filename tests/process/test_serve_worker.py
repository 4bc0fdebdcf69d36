"""The server and its worker are two processes: what becomes of the one when the other hangs or dies."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from rowmill.testing import ModelServer

from .harness import Rowmill, prompt, wait_until
from .serving import Server, check_counts, connect, end, lines_of, serve

RULES = """
import ctypes, os, time

def crashes(row):
    if row["n"] == 7:
        ctypes.string_at(0)
    return "fine"

async def computes(row):
    while not os.path.exists("enough"):
        pass
    return "fine"

def goes_on(row):
    while not os.path.exists("enough"):
        time.sleep(0.01)

def forks(row):
    if row["n"] == 3 and not os.path.exists("child"):
        child = os.fork()
        if child == 0:
            time.sleep(3600)
        with open("child", "w") as file:
            file.write(str(child))
    time.sleep(0.02)
    return "fine"

async def blocks(row):
    time.sleep(3600)
"""


def _functions(rowmill: Rowmill, *more: str) -> Server:
    """A server that may call the functions of ``RULES``."""
    (rowmill.place / "rules.py").write_text(RULES)
    allowed = [
        word
        for name in ("crashes", "computes", "blocks", "goes_on", "forks")
        for word in ("--allow-python", f"rules:{name}")
    ]
    return serve(rowmill, *allowed, *more)


def _apply(server: Server, function: str, rows: int, **more: Any) -> str:
    """Makes a job that calls a function of ``RULES`` on ``rows`` rows; returns its id."""
    step = {"processor": "python", "function": f"rules:{function}"}
    asked = {"type": "enrichment", "rows": [{"n": n} for n in range(1, rows + 1)], "steps": [step]}
    id_: str = server.post("/v1/jobs", {**asked, **more})["id"]
    return id_


def _worker(server: Server) -> int:
    """The process id of the living worker."""
    found: list[int] = []

    def lives() -> bool:
        found[:] = [worker["pid"] for worker in server.get("/v1/workers")["data"] if worker["alive"]]
        return len(found) == 1

    wait_until(lives, "a worker")
    return found[0]


def _is_ready(server: Server) -> bool:
    return server.ask("GET", "/readyz").status == 200


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_worker_that_is_killed_is_started_again_and_its_job_goes_on(rowmill: Rowmill) -> None:
    with ModelServer(latency=0.05) as models:
        connect(rowmill, models)
        server = serve(rowmill, "--log-format", "json")
        job = server.submit(200)
        server.wait_for_job(job, lambda shown: shown["succeeded"] > 20)
        assert _is_ready(server)
        killed = _worker(server)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: not _is_ready(server), "the news of its death")
        assert server.get("/healthz") == {"status": "ok"}
        check_counts(server.job(job))
        done = server.completed(job)
        check_counts(done)
        assert (done["succeeded"], _is_ready(server)) == (200, True)
        assert _worker(server) != killed
        assert models.total - 200 <= done["uncertain"] <= 5
        end(server)
    [died] = [line for line in lines_of(server.process) if line["event"] == "worker died"]
    assert died["exit_code"] == -signal.SIGKILL


def test_a_worker_whose_server_is_killed_saves_what_is_in_flight_and_ends(rowmill: Rowmill) -> None:
    with ModelServer(latency=1.0) as models:
        connect(rowmill, models)
        server = serve(rowmill)
        job = server.submit(20)
        worker = _worker(server)
        models.wait_for(5)
        server.process.signal(signal.SIGKILL)
        wait_until(lambda: _gone(worker), "the end of the worker")
        shown = rowmill.show(job)
        assert (shown["status"], shown["interrupted"], shown["uncertain"]) == ("pending", False, 0)
        assert shown["succeeded"] == models.total
        server = serve(rowmill)
        assert server.completed(job)["succeeded"] == 20
        assert models.counts == {prompt(number): 1 for number in range(1, 21)}
        end(server)


def test_a_function_that_brings_the_interpreter_down_fails_its_row_alone(rowmill: Rowmill) -> None:
    server = _functions(rowmill, "--log-format", "json")
    job = _apply(server, "crashes", 12, concurrency=1)
    wait_until(lambda: server.job(job)["status"] == "completed", "the end of the job")
    shown = server.job(job)
    assert (shown["succeeded"], shown["failed"]) == (11, 1)
    [failed] = server.get(f"/v1/jobs/{job}/rows?status=failed")["data"]
    assert (failed["number"], failed["error"]["code"]) == (7, "crashed_process")
    end(server)
    told = lines_of(server.process)
    assert sum(line["event"].startswith("a process died") and line["job"] == job for line in told) == 3
    [given_up] = [line for line in told if line["event"] == "row failed"]
    assert (given_up["job"], given_up["row"], given_up["code"]) == (job, 7, "crashed_process")


def test_a_function_that_never_lets_go_does_not_keep_the_api_from_answering(rowmill: Rowmill) -> None:
    server = _functions(rowmill)
    job = _apply(server, "computes", 3, concurrency=1)
    server.wait_for_job(job, lambda shown: shown["running"] == 1)
    for _ in range(20):
        assert server.job(job)["status"] == "running"
    assert server.post(f"/v1/jobs/{job}/pause")["stopping"]
    server.process.wait_for("event loop blocked")
    wait_until(lambda: not _is_ready(server), "the news of it")
    (rowmill.place / "enough").touch()
    server.wait_for_job(job, lambda shown: shown["status"] == "paused")
    wait_until(lambda: _is_ready(server), "the news of its end")
    end(server)


def test_a_function_that_never_lets_go_does_not_keep_the_server_from_ending(rowmill: Rowmill) -> None:
    server = _functions(rowmill, "--grace", "0")
    job = _apply(server, "blocks", 3, concurrency=1)
    server.wait_for_job(job, lambda shown: shown["running"] == 1)
    worker = _worker(server)
    end(server)
    wait_until(lambda: _gone(worker), "the end of the worker")
    assert rowmill.show(job)["interrupted"]


def test_sigterm_to_every_process_at_once_is_no_crash(rowmill: Rowmill) -> None:
    """As a service manager does."""
    with ModelServer(latency=0.3) as models:
        connect(rowmill, models)
        server = serve(rowmill)
        job = server.submit(50)
        models.wait_for(5)
        os.killpg(server.process.pid, signal.SIGTERM)
        ended = server.process.end()
        assert ended.code == 0
        assert "Traceback" not in ended.stderr
        shown = rowmill.show(job)
        assert (shown["status"], shown["uncertain"], shown["succeeded"]) == ("pending", 0, models.total)


@pytest.mark.parametrize("after", [0.0, 0.1, 0.2, 0.3, 0.5])
def test_ctrl_c_while_the_worker_starts_ends_both_without_a_word(rowmill: Rowmill, after: float) -> None:
    """A terminal sends it to both."""
    process = rowmill.start("serve", "--port", "0")
    wait_until(lambda: bool(_children(process.pid)), "the start of the worker")
    time.sleep(after)  # the moments of a start, which nothing tells of
    os.killpg(process.pid, signal.SIGINT)
    ended = process.end()
    assert ended.code in (0, 130)  # 130 while it is not yet a server, as of any command
    assert "Traceback" not in ended.stderr
    assert "worker died" not in ended.stderr


def _children(pid: int) -> list[str]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [child for thread in threads for child in (thread / "children").read_text(encoding="utf-8").split()]


def test_a_worker_is_replaced_when_calls_of_its_last_job_never_end(rowmill: Rowmill) -> None:
    server = _functions(rowmill)
    before = _worker(server)
    job = _apply(server, "goes_on", 2, timeout=0.1, max_attempts=1)
    server.wait_for_job(job, lambda shown: shown["status"] in ("completed", "paused"))
    server.process.wait_for("worker replaced because calls hang")
    wait_until(lambda: _worker(server) != before, "another worker")
    wait_until(lambda: _gone(before), "the end of the first")
    assert "worker died" not in server.process.stderr
    end(server)


def test_a_child_that_a_function_forked_does_not_hold_up_the_job_of_its_dead_parent(rowmill: Rowmill) -> None:
    server = _functions(rowmill)
    job = _apply(server, "forks", 200, concurrency=1)
    wait_until((rowmill.place / "child").exists, "the child")
    server.wait_for_job(job, lambda shown: shown["succeeded"] > 5)
    child = int((rowmill.place / "child").read_text())
    os.kill(_worker(server), signal.SIGKILL)
    assert server.completed(job)["succeeded"] == 200
    os.kill(child, signal.SIGKILL)  # it lived until now
    end(server)


def test_a_second_ctrl_c_need_not_wait_for_the_grace_where_a_function_never_lets_go(rowmill: Rowmill) -> None:
    server = _functions(rowmill, "--grace", "3600")
    job = _apply(server, "blocks", 3, concurrency=1)
    server.wait_for_job(job, lambda shown: shown["running"] == 1)
    server.process.signal(signal.SIGINT)
    wait_until(lambda: not server.answers, "the end of answering")
    end(server, signal.SIGINT)
    assert "jobs did not stop in time" in server.process.stderr
    assert rowmill.show(job)["interrupted"]


def test_a_third_ctrl_c_ends_both_at_once(rowmill: Rowmill) -> None:
    server = _functions(rowmill, "--grace", "60")
    job = _apply(server, "blocks", 3, concurrency=1)
    server.wait_for_job(job, lambda shown: shown["running"] == 1)
    worker = _worker(server)
    for _ in range(2):
        server.process.signal(signal.SIGINT)
        time.sleep(0.2)  # or the two would be one
    server.process.signal(signal.SIGINT)
    assert server.process.end().code == 130
    wait_until(lambda: _gone(worker), "the end of the worker")
