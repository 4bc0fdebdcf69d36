"""The same command again goes on with its job, or writes its results again for free."""

import pytest

from rowmill.testing import ModelServer, Reply

from .harness import Answers, Rowmill, assert_done, prompt, run_words, written

pytestmark = pytest.mark.xdist_group("process-same-run")

ROWS = 12


def test_a_finished_job_is_written_again_without_a_call(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    output = rowmill.place / "out.csv"
    with ModelServer() as server:
        command = run_words(server)
        rowmill.ok(*command)
        first = output.read_bytes()
        again = rowmill.ok(*command)
        assert "completed" in again.stderr
        assert output.read_bytes() == first
        output.unlink()
        rowmill.ok(*command)
        assert output.read_bytes() == first
        output.unlink()
        rowmill.ok("resume", "last")
        assert output.read_bytes() == first
        assert server.total == ROWS
        assert len(rowmill.jobs()) == 1


def test_an_output_that_somebody_else_wrote_meanwhile_is_kept(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    output = rowmill.place / "out.csv"
    with ModelServer() as server:
        command = run_words(server)
        rowmill.ok(*command)
        output.write_text("mine\n")
        refused = rowmill.run(*command)
        assert refused.code == 2
        assert "rowmill export" in refused.stderr
        assert output.read_text() == "mine\n"
        assert server.total == ROWS


def test_an_existing_file_is_refused_before_any_call(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    output = rowmill.place / "out.csv"
    output.write_text("mine\n")
    with ModelServer() as server:
        refused = rowmill.run(*run_words(server))
        assert refused.code == 2
        assert "exists already" in refused.complaint
        assert (output.read_text(), server.total, rowmill.jobs()) == ("mine\n", 0, [])
        rowmill.ok(*run_words(server, "in.csv", "--overwrite"))
        assert_done(output, ROWS)
        assert server.total == ROWS


def test_a_changed_input_is_a_new_job(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    with ModelServer() as server:
        command = run_words(server, output=None)
        rowmill.ok(*command)
        rowmill.table(ROWS + 1)
        rowmill.ok(*command)
        assert [job["total"] for job in rowmill.jobs()] == [ROWS + 1, ROWS]
        assert server.total == 2 * ROWS + 1
        rowmill.table(ROWS)  # the old content again
        rowmill.ok(*command)
        assert len(rowmill.jobs()) == 2
        assert server.total == 2 * ROWS + 1


def test_the_input_may_vanish_once_it_was_read(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    answers = Answers(lambda request: Reply(hang=True))
    with ModelServer(script=answers) as server:
        process = rowmill.start(*run_words(server))
        server.wait_for(5)
        process.kill()
        (rowmill.place / "in.csv").unlink()
        answers.mend()
        rowmill.ok("resume", "last")
        assert_done(rowmill.place / "out.csv", ROWS)


def test_other_limits_steer_the_job_that_is_found(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    answers = Answers(lambda request: Reply(hang=True))
    with ModelServer(script=answers) as server:
        process = rowmill.start(*run_words(server))
        server.wait_for(5)
        process.kill()
        server.reset()
        process = rowmill.start(*run_words(server, "in.csv", "--concurrency", "9", "--max-attempts", "7"))
        server.wait_for(9)
        process.wait_for("is this same run")
        job = rowmill.show()
        assert len(rowmill.jobs()) == 1
        assert (job["concurrency"], job["settings"]["max_attempts"], job["running"]) == (9, 7, 9)


def test_new_starts_afresh(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    with ModelServer() as server:
        rowmill.ok(*run_words(server))
        refused = rowmill.run(*run_words(server, "in.csv", "--new"))
        assert refused.code == 2
        assert server.total == ROWS
        rowmill.ok(*run_words(server, "in.csv", "--new", "--overwrite"))
        assert server.counts[prompt(1)] == 2
        assert server.total == 2 * ROWS
        assert len(rowmill.jobs()) == 2


def test_without_an_output_the_results_stay_in_the_store(rowmill: Rowmill) -> None:
    rowmill.table(ROWS)
    with ModelServer() as server:
        ended = rowmill.ok(*run_words(server, output=None))
    job = rowmill.show()["id"]
    assert f"rowmill export {job} -o FILE" in ended.stderr
    rowmill.ok("export", job, "-o", "late.csv")
    assert [line["result"] for line in written(rowmill.place / "late.csv")] == ["ok"] * ROWS
