"""A worker takes jobs up by itself, also those that a crash has interrupted, and leaves them in good order."""

import signal

from rowmill.testing import ModelServer, Reply

from .harness import Answers, Process, Rowmill, assert_done, number_of, prompt, run_words, wait_until


def start_worker(rowmill: Rowmill, *options: str) -> Process:
    process = rowmill.start("worker", *options)
    process.wait_for("worker started")
    return process


def leave(rowmill: Rowmill, server: ModelServer, input_: str = "in.csv", *more: str, output: str | None = None) -> str:
    """Makes a detached job; returns its id."""
    words = run_words(server, input_, *more, "--new", "--detach", "--json", output=output)
    return str(rowmill.ok(*words).json["id"])


def end(worker: Process) -> None:
    worker.signal(signal.SIGTERM)
    ended = worker.end()
    assert ended.code == 0, ended


def test_a_detached_job_is_taken_up_and_its_output_written(rowmill: Rowmill) -> None:
    rowmill.table(30)
    with ModelServer() as server:
        ended = rowmill.ok(*run_words(server, "in.csv", "--detach"))
        id_ = rowmill.jobs()[0]["id"]
        assert ended.stdout == f"{id_} waits for a worker: rowmill serve, or here: rowmill resume {id_}\n"
        worker = start_worker(rowmill)
        wait_until((rowmill.place / "out.csv").exists, "the output")
        assert_done(rowmill.place / "out.csv", 30)
        end(worker)
    assert server.total == 30
    said = worker.end().stderr
    assert "job claimed" in said
    assert f"job={id_}" in said


def test_imports_and_exports_are_taken_up_too(rowmill: Rowmill) -> None:
    rowmill.table(50)
    worker = start_worker(rowmill)
    rowmill.ok("import", "in.csv", "--dataset", "texts", "--detach")
    rowmill.wait_for_job(lambda job: job["status"] == "completed")
    rowmill.ok("export", "texts", "-o", "out.csv", "--detach")
    wait_until((rowmill.place / "out.csv").exists, "the export")
    assert len((rowmill.place / "out.csv").read_text().splitlines()) == 51
    end(worker)


def test_three_jobs_are_worked_at_once(rowmill: Rowmill) -> None:
    answers = Answers(lambda request: Reply(hang=True))
    with ModelServer(script=answers) as server:
        worker = start_worker(rowmill)
        ids = [leave(rowmill, server, rowmill.table(5, f"in{n}.csv")) for n in range(3)]
        server.wait_for(15)
        assert {rowmill.show(id_)["running"] for id_ in ids} == {5}
        for id_ in ids:
            rowmill.ok("cancel", id_)
        assert {rowmill.wait_for_job(lambda job: not job["stopping"], id_)["status"] for id_ in ids} == {"cancelled"}
        end(worker)


def test_imports_need_not_wait_for_enrichments_that_last(rowmill: Rowmill) -> None:
    with ModelServer(script=lambda request: Reply(hang=True)) as server:
        worker = start_worker(rowmill)
        for n in range(5):
            leave(rowmill, server, rowmill.table(5, f"in{n}.csv"))
        server.wait_for(15)
        rowmill.ok("import", "in0.csv", "--dataset", "texts", "--detach")
        rowmill.wait_for_job(lambda job: job["status"] == "completed")
        statuses = sorted(job["status"] for job in rowmill.jobs())
        assert statuses == ["completed", "pending", "pending", "running", "running", "running"]
        worker.signal(signal.SIGTERM)
        worker.wait_for("worker stopping")
        end(worker)


def test_what_a_killed_worker_had_is_taken_up_by_the_next(rowmill: Rowmill) -> None:
    answers = Answers(lambda request: Reply("ok", hang=number_of(request) > 20))
    with ModelServer(script=answers) as server:
        id_ = leave(rowmill, server, rowmill.table(40), output="out.csv")
        worker = start_worker(rowmill)
        server.wait_for(25)
        worker.kill()
        assert rowmill.show(id_)["interrupted"]
        answers.mend()
        worker = start_worker(rowmill)
        wait_until((rowmill.place / "out.csv").exists, "the output")
        assert_done(rowmill.place / "out.csv", 40)
        job = rowmill.show(id_)
        assert job["uncertain"] == 5
        assert server.total == 45
        end(worker)


def test_a_worker_adopts_what_a_killed_foreground_run_left_if_it_can(rowmill: Rowmill) -> None:
    answers = Answers(lambda request: Reply(hang=True))
    with ModelServer(script=answers) as server:
        rowmill.table(12)
        process = rowmill.start(*run_words(server))
        server.wait_for(5)
        process.kill()
        answers.mend()
        worker = start_worker(rowmill)
        wait_until((rowmill.place / "out.csv").exists, "the output")
        assert_done(rowmill.place / "out.csv", 12)
        end(worker)


def test_a_worker_leaves_alone_what_it_cannot_work_and_was_not_left_to_it(rowmill: Rowmill) -> None:
    (rowmill.place / "mine.py").write_text("import time\ndef slow(row):\n    time.sleep(1000)\n")
    rowmill.table(12)
    process = rowmill.start("run", "in.csv", "--processor", "mine:slow")
    process.wait_for("12 rows")
    id_ = rowmill.wait_for_job(lambda job: job["running"] == 5)["id"]
    process.kill()
    (rowmill.place / "mine.py").unlink()
    worker = start_worker(rowmill)
    worker.wait_for("job cannot be worked here")
    job = rowmill.show(id_)
    assert (job["status"], job["interrupted"], job["error"]) == ("running", True, None)
    end(worker)
    assert worker.stderr.count("job cannot be worked here") == 1


def test_released_what_is_in_flight_is_saved_and_the_next_worker_completes(rowmill: Rowmill) -> None:
    with ModelServer(latency=0.3) as server:
        id_ = leave(rowmill, server, rowmill.table(40), output="out.csv")
        worker = start_worker(rowmill)
        server.wait_for(12)
        end(worker)
        job = rowmill.show(id_)
        assert (job["status"], job["running"], job["uncertain"]) == ("pending", 0, 0)
        assert job["succeeded"] == server.total < 40
        worker = start_worker(rowmill)
        wait_until((rowmill.place / "out.csv").exists, "the output")
        assert_done(rowmill.place / "out.csv", 40)
        assert server.total == 40
        end(worker)


def test_calls_that_outlast_the_grace_are_aborted_and_the_job_released_all_the_same(rowmill: Rowmill) -> None:
    answers = Answers(lambda request: Reply("ok", hang=number_of(request) > 10))
    with ModelServer(script=answers) as server:
        id_ = leave(rowmill, server, rowmill.table(20), output="out.csv")
        worker = start_worker(rowmill, "--grace", "0.5")
        server.wait_for(15)
        end(worker)
        job = rowmill.show(id_)
        assert (job["status"], job["succeeded"], job["uncertain"]) == ("pending", 10, 5)
        assert [execution["ended_as"] for execution in job["executions"]] == ["pending"]
        answers.mend()
        worker = start_worker(rowmill)
        wait_until((rowmill.place / "out.csv").exists, "the output")
        assert [server.counts[prompt(number)] for number in range(1, 21)] == [1] * 10 + [2] * 5 + [1] * 5
        end(worker)


def test_a_second_signal_does_not_wait_for_the_grace(rowmill: Rowmill) -> None:
    with ModelServer(script=lambda request: Reply(hang=True)) as server:
        id_ = leave(rowmill, server, rowmill.table(20))
        worker = start_worker(rowmill, "--grace", "1000")
        server.wait_for(5)
        worker.signal(signal.SIGTERM)
        worker.wait_for("worker stopping")
        assert rowmill.show(id_)["running"] == 5
        end(worker)
        assert rowmill.show(id_)["status"] == "pending"


def test_a_function_that_swallows_its_cancellation_keeps_no_worker_from_ending(rowmill: Rowmill) -> None:
    (rowmill.place / "rude.py").write_text(
        "import asyncio\n"
        "async def swallows(row):\n"
        "    while True:\n"
        "        try:\n"
        "            await asyncio.sleep(1000)\n"
        "        except asyncio.CancelledError:\n"
        "            pass\n"
    )
    rowmill.table(3)
    process = rowmill.start("run", "in.csv", "--processor", "rude:swallows")
    process.wait_for("3 rows")
    id_ = rowmill.wait_for_job(lambda job: job["running"] == 3)["id"]
    process.kill()
    worker = start_worker(rowmill, "--grace", "0.1")
    rowmill.wait_for_job(lambda job: len(job["executions"]) == 2 and job["running"] == 3, id_)
    end(worker)
    job = rowmill.show(id_)
    assert (job["status"], job["uncertain"]) == ("pending", 6)


def test_a_job_whose_key_is_missing_here_fails_and_says_so(rowmill: Rowmill) -> None:
    rowmill.table(3)
    words = ["run", "in.csv", "--prompt", "Say {{text}}", "--model", "openai/test", "--detach"]
    with rowmill.store() as store:
        refused = rowmill.run(*words, OPENAI_API_KEY="sk-secret")
        assert refused.code == 2
        assert "exists only in this shell" in refused.complaint
        assert store.browse.jobs() == []
    with ModelServer() as server:
        id_ = leave(rowmill, server)
        with rowmill.store() as store, store.database.transaction() as tx:
            # As if it had been made where the key is set for everyone.
            tx.execute("UPDATE jobs SET spec = replace(spec, ?, 'null')", (f'"{server.url}"',))
        worker = start_worker(rowmill)
        job = rowmill.wait_for_job(lambda job: job["status"] == "failed", id_)
        assert "TEST_API_KEY" in job["error"]["message"] + job["error"]["hint"]
        assert job["error"]["hint"]
        end(worker)
        assert server.total == 0


def test_foreground_runs_beside_a_worker_keep_their_jobs(rowmill: Rowmill) -> None:
    with ModelServer(latency=0.02) as server:
        worker = start_worker(rowmill)
        left = [leave(rowmill, server, rowmill.table(20, f"left{n}.csv"), output=f"left{n}.out.csv") for n in range(3)]
        inputs = [rowmill.table(10, f"in{n}.csv") for n in range(8)]
        runs = [
            rowmill.start(*run_words(server, name, "--name", f"n{n}", output=f"{n}.out.csv"))
            for n, name in enumerate(inputs)
        ]
        ends = [process.end() for process in runs]
        assert [ended.code for ended in ends] == [0] * 8, [ended.stderr for ended in ends if ended.code]
        for n in range(8):
            assert_done(rowmill.place / f"{n}.out.csv", 10)
        for n, id_ in enumerate(left):
            rowmill.wait_for_job(lambda job: job["status"] == "completed", id_)
            wait_until((rowmill.place / f"left{n}.out.csv").exists, "the output")
            assert_done(rowmill.place / f"left{n}.out.csv", 20)
        assert server.total == 8 * 10 + 3 * 20
        end(worker)
        assert worker.stderr.count("job claimed") == 3
        assert {len(job["executions"]) for job in (rowmill.show(job["id"]) for job in rowmill.jobs())} == {1}


def test_two_workers_share_the_jobs_and_work_none_twice(rowmill: Rowmill) -> None:
    with ModelServer(latency=0.01) as server:
        workers = [start_worker(rowmill) for _ in range(2)]
        ids = [leave(rowmill, server, rowmill.table(10, f"in{n}.csv"), output=f"{n}.csv") for n in range(6)]
        for n, id_ in enumerate(ids):
            rowmill.wait_for_job(lambda job: job["status"] == "completed", id_)
            wait_until((rowmill.place / f"{n}.csv").exists, "the output")
        assert server.total == 60
        for worker in workers:
            end(worker)
        assert sum(worker.stderr.count("job claimed") for worker in workers) == 6


def test_resume_and_retry_leave_a_job_to_the_worker(rowmill: Rowmill) -> None:
    answers = Answers(lambda request: Reply(status=400) if number_of(request) == 3 else Reply("ok"))
    with ModelServer(script=answers) as server:
        id_ = leave(rowmill, server, rowmill.table(10), output="out.csv")
        rowmill.ok("pause", id_)
        worker = start_worker(rowmill)
        assert "waits for a worker" in rowmill.ok("resume", id_, "--detach").stdout
        job = rowmill.wait_for_job(lambda job: job["status"] == "completed", id_)
        assert (job["succeeded"], job["failed"]) == (9, 1)
        answers.mend()
        rowmill.ok("retry", id_, "--detach")
        rowmill.wait_for_job(lambda job: job["succeeded"] == 10 and job["status"] == "completed", id_)
        wait_until(lambda: "failed" not in (rowmill.place / "out.csv").read_text(), "the output with the row retried")
        end(worker)


def test_an_output_that_cannot_be_written_is_said_by_the_job(rowmill: Rowmill) -> None:
    with ModelServer() as server:
        id_ = leave(rowmill, server, rowmill.table(4), output="out.csv")
        (rowmill.place / "out.csv").write_text("somebody else's")
        worker = start_worker(rowmill)
        job = rowmill.wait_for_job(lambda job: job["error"] is not None, id_)
        assert (job["status"], job["succeeded"], job["error"]["code"]) == ("completed", 4, "output")
        assert (rowmill.place / "out.csv").read_text() == "somebody else's"
        end(worker)
        (rowmill.place / "out.csv").unlink()
        rowmill.ok("resume", id_)
        assert_done(rowmill.place / "out.csv", 4)
        assert rowmill.show(id_)["error"] is None
