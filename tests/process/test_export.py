"""Exports: what is in the file, where it goes, and that it is one moment of the ledger."""

import os
import signal
import sys
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from rowmill.testing import ChatRequest, ModelServer, Reply

from .gauge import newest, wait_for_rows
from .harness import Answers, Rowmill, number_of, run_words, written
from .test_disk_full import LIMITED

pytestmark = pytest.mark.xdist_group("process-export")

GOODS = 'id,name,price\n1,=1+1,-5\n2,"a, b",+3\n3,@x,007\n'


@pytest.fixture
def goods(rowmill: Rowmill) -> Rowmill:
    """A dataset with cells that a spreadsheet would take for formulas."""
    (rowmill.place / "goods.csv").write_text(GOODS)
    rowmill.ok("import", "goods.csv")
    return rowmill


def _text(rowmill: Rowmill, name: str) -> str:
    return (rowmill.place / name).read_text()


def _half(rowmill: Rowmill) -> list[Path]:
    return list(rowmill.place.glob(".*.part"))


def test_columns_are_chosen_ordered_and_renamed(goods: Rowmill) -> None:
    goods.ok("export", "goods", "-o", "whole.csv")
    assert _text(goods, "whole.csv") == GOODS
    goods.ok("export", "goods", "-o", "some.csv", "-c", "price=Price in €", "-c", "id")
    assert _text(goods, "some.csv") == "Price in €,id\n-5,1\n+3,2\n007,3\n"
    goods.ok("export", "goods", "-o", "rows.tsv", "--rows", "2-3", "--where", "id != 3")
    assert _text(goods, "rows.tsv") == "id\tname\tprice\n2\ta, b\t+3\n"
    job = goods.show(newest(goods))
    assert (job["type"], job["status"], job["total"], job["succeeded"]) == ("export", "completed", 1, 1)
    assert [job["type"] for job in goods.jobs()] == ["export"] * 3 + ["import"]
    for words, said in (
        (["-c", "prise"], "Did you mean 'price'?"),
        (["-c", "id=name", "-c", "name"], "two columns 'name'"),
        (["-c", "id="], "no new name"),
        (["--rows", "2-4"], "after the last row"),
        (["--only", "failed"], "--only chooses rows of a job"),
    ):
        refused = goods.run("export", "goods", "-o", "no.csv", *words)
        assert refused.code == 2, refused
        assert said in refused.complaint
    assert not (goods.place / "no.csv").exists()
    assert len(goods.jobs()) == 4


def test_cells_are_made_safe_when_asked_and_a_number_stays_a_number(goods: Rowmill) -> None:
    goods.ok("export", "goods", "-o", "plain.csv")
    assert "=1+1" in _text(goods, "plain.csv")
    goods.ok("export", "goods", "-o", "safe.csv", "--safe-cells")
    assert [line["name"] for line in written(goods.place / "safe.csv")] == ["'=1+1", "a, b", "'@x"]
    assert [line["price"] for line in written(goods.place / "safe.csv")] == ["-5", "+3", "007"]
    goods.ok("export", "goods", "-o", "goods.xlsx")
    assert goods.show(newest(goods))["extract"]["safe_cells"] is True
    goods.ok("export", "goods", "-o", "bare.xlsx", "--no-safe-cells")
    assert goods.show(newest(goods))["extract"]["safe_cells"] is False
    for name in ("goods.xlsx", "bare.xlsx"):
        sheet = CalamineWorkbook.from_path(goods.place / name).get_sheet_by_index(0).to_python()
        assert [row[1] for row in sheet[1:]] == ["=1+1", "a, b", "@x"]


def test_an_export_to_stdout(goods: Rowmill) -> None:
    assert goods.ok("export", "goods", "-o", "-").stdout == GOODS
    lines = goods.ok("export", "goods", "-o", "-", "--format", "jsonl", "-c", "id").stdout
    assert lines == '{"id":"1"}\n{"id":"2"}\n{"id":"3"}\n'
    assert goods.run("export", "goods", "-o", "-", "--detach").code == 2
    assert list((goods.home / "files").glob("*")) == []


def test_a_file_is_replaced_only_when_told(goods: Rowmill) -> None:
    (goods.place / "out.csv").write_text("mine\n")
    refused = goods.run("export", "goods", "-o", "out.csv")
    assert refused.code == 2
    assert "out.csv exists already" in refused.complaint
    assert (_text(goods, "out.csv"), len(goods.jobs())) == ("mine\n", 1)
    goods.ok("export", "goods", "-o", "out.csv", "--overwrite")
    assert _text(goods, "out.csv") == GOODS
    assert goods.run("export", "goods", "-o", "out.csv").code == 2

    goods.ok("export", "goods", "-o", "late.csv", "--detach")
    (goods.place / "late.csv").write_text("mine\n")
    ended = goods.run("resume", newest(goods))
    assert (ended.code, goods.show(newest(goods))["error"]["code"]) == (3, "output")
    assert _text(goods, "late.csv") == "mine\n"
    for target, said in (
        ("no/out.csv", "There is no directory"),
        ("out.doc", "suffix .doc"),
        (".", "suffix"),
        ("http://127.0.0.1:9/out.csv", "Nothing can be written to the web"),
    ):
        refused = goods.run("export", "goods", "-o", target)
        assert (refused.code, said in refused.complaint) == (2, True), refused


def _some_fail(request: ChatRequest) -> Reply:
    return Reply(status=400) if number_of(request) <= 2 else Reply("ok", hang=number_of(request) > 5)


def test_rows_of_an_enrichment_by_how_they_ended(rowmill: Rowmill) -> None:
    rowmill.table(8)
    with ModelServer(script=_some_fail) as server:
        running = rowmill.start(*run_words(server, output=None))
        server.wait_for(8)
        rowmill.wait_for_job(lambda job: job["succeeded"] == 3)
        running.kill()
    rowmill.ok("pause", "last")
    job = rowmill.show()["id"]
    for only, ids in (("failed", "12"), ("succeeded", "345"), ("unprocessed", "678")):
        rowmill.ok("export", job, "-o", f"{only}.csv", "--only", only)
        lines = written(rowmill.place / f"{only}.csv")
        assert [line["id"] for line in lines] == list(ids)
        assert list(lines[0]) == ["id", "text", "result", "_status", "_error"]
        assert {line["_status"] for line in lines} == {"pending" if only == "unprocessed" else only}
        assert all(line["_error"].startswith("bad_request: ") is (only == "failed") for line in lines)
    rowmill.ok("export", job, "-o", "all.csv", "-c", "_status", "-c", "id=number")
    assert [line["number"] for line in written(rowmill.place / "all.csv")] == list("12345678")
    refused = rowmill.run("export", newest(rowmill), "-o", "no.csv")
    assert (refused.code, "is an export itself" in refused.complaint) == (2, True)


FUNCTION = """
import pathlib

def f(row):
    if row["id"].endswith("7") and not pathlib.Path("mended").exists():
        raise ValueError("not yet")
    return "done"
"""


def test_a_file_is_one_moment_even_when_a_retry_runs_meanwhile(rowmill: Rowmill) -> None:
    rows = 60_000
    rowmill.table(rows)
    (rowmill.place / "f.py").write_text(FUNCTION)
    words = ("--processor", "f:f", "--concurrency", "50", "--max-attempts", "1")
    assert rowmill.run("run", "in.csv", *words).code == 4
    origin = rowmill.show()["id"]

    exporting = rowmill.start("export", origin, "-o", "out.csv")
    wait_for_rows(rowmill, exporting, 20_000)
    exporting.signal(signal.SIGINT)
    assert exporting.end().code == 130
    export = rowmill.show(newest(rowmill))
    assert (export["type"], export["status"]) == ("export", "paused")
    assert 0 < export["processed"] < rows
    assert not (rowmill.place / "out.csv").exists()
    refused = rowmill.run("delete", origin)
    assert (refused.code, f"{export['id']} has not finished exporting" in refused.complaint) == (2, True)

    (rowmill.place / "mended").touch()
    rowmill.ok("retry", origin)
    assert rowmill.show(origin)["failed"] == 0
    rowmill.ok("resume", export["id"])
    lines = written(rowmill.place / "out.csv")
    assert [line["id"] for line in lines] == [str(number) for number in range(1, rows + 1)]
    assert {line["_status"] for line in lines if line["id"].endswith("7")} == {"failed"}
    assert {line["_status"] for line in lines if not line["id"].endswith("7")} == {"succeeded"}

    rowmill.ok("export", origin, "-o", "now.csv")
    assert {line["_status"] for line in written(rowmill.place / "now.csv")} == {"succeeded"}


def test_an_export_of_a_dataset_does_not_see_a_later_import(goods: Rowmill) -> None:
    goods.ok("export", "goods", "-o", "out.csv", "--detach")
    goods.ok("import", "goods.csv", "--new")
    goods.ok("resume", goods.jobs()[1]["id"])
    assert _text(goods, "out.csv") == GOODS
    goods.ok("export", "goods", "-o", "now.csv")
    assert len(written(goods.place / "now.csv")) == 6


@pytest.fixture
def large(rowmill: Rowmill) -> Rowmill:
    rowmill.table(200_000)
    rowmill.ok("import", "in.csv", "--dataset", "things")
    return rowmill


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 5)])
def test_a_signal_pauses_an_export_and_the_same_command_goes_on(
    large: Rowmill, number: signal.Signals, code: int
) -> None:
    command = ["export", "things", "-o", "out.csv"]
    running = large.start(*command)
    wait_for_rows(large, running)
    running.signal(number)
    ended = running.end()
    job = large.show(newest(large))
    assert ended.code == code
    assert ended.stderr.splitlines()[-1] == f"Go on with: rowmill resume {job['id']}"
    assert (job["status"], job["pause_reason"]) == ("paused", "user")
    assert not (large.place / "out.csv").exists()
    assert len(_half(large)) == 1
    large.ok(*command)
    assert (large.place / "out.csv").read_bytes() == (large.place / "in.csv").read_bytes().replace(b"\r\n", b"\n")
    assert (len(_half(large)), len(large.show(newest(large))["executions"])) == (0, 2)


def test_a_paused_export_that_is_cancelled_leaves_nothing(large: Rowmill) -> None:
    running = large.start("export", "things", "-o", "out.xlsx")
    wait_for_rows(large, running)
    assert large.ok("pause", newest(large)).stdout.endswith("is paused.\n")
    assert running.end().code == 5
    assert len(_half(large)) == 1
    large.ok("cancel", newest(large))
    assert (_half(large), (large.place / "out.xlsx").exists()) == ([], False)
    assert large.run("resume", newest(large)).code == 2


def test_a_running_export_that_is_cancelled_leaves_nothing(large: Rowmill) -> None:
    running = large.start("export", "things", "-o", "out.xlsx")
    wait_for_rows(large, running)
    assert large.ok("cancel", newest(large), "--json").json["status"] == "cancelled"
    assert running.end().code == 5
    assert (_half(large), (large.place / "out.xlsx").exists()) == ([], False)


@pytest.mark.parametrize("format_", ["csv", "parquet", "xlsx"])
def test_a_full_disk_fails_the_job_and_leaves_no_half_file(rowmill: Rowmill, format_: str) -> None:
    rows = 30_000
    with (rowmill.place / "in.csv").open("w") as file:
        file.write("id,text\n")
        file.writelines(f"{number},{os.urandom(20).hex()}\n" for number in range(rows))
    rowmill.ok("import", "in.csv", "--dataset", "things")
    out = f"out.{format_}"
    limited = [sys.executable, "-c", LIMITED, str(256 * 1024)]
    rowmill.ok("export", "things", "-o", out, "--detach")
    ended = rowmill.start_through(limited, "resume", newest(rowmill)).end()
    assert ended.code == 3, ended
    assert "Traceback" not in ended.stderr
    job = rowmill.show(newest(rowmill))
    assert (job["status"], job["error"]["code"]) == ("failed", "output")
    assert not (rowmill.place / out).exists()
    assert rowmill.ok("doctor", "--json").json["store"] == "sound"

    rowmill.ok("resume", newest(rowmill))
    rowmill.ok("import", out, "--dataset", "back")
    assert rowmill.show()["created"] == rows
    assert _half(rowmill) == []


def test_answers_that_come_while_an_export_runs_are_no_part_of_it(rowmill: Rowmill) -> None:
    """An export of a running job is the moment at which it was made."""
    rowmill.table(20)
    answers = Answers(lambda request: Reply("ok", hang=number_of(request) > 10))
    with ModelServer(script=answers) as server:
        running = rowmill.start(*run_words(server, output=None))
        server.wait_for(15)
        rowmill.wait_for_job(lambda job: job["succeeded"] == 10)
        rowmill.ok("export", "last", "-o", "out.csv")
        assert running.alive
    statuses = [line["_status"] for line in written(rowmill.place / "out.csv")]
    assert statuses[:10] == ["succeeded"] * 10
    assert set(statuses[10:]) == {"pending"}
