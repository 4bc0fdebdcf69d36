"""Enrichments of datasets: which records they take, and what becomes of their results."""

from pathlib import Path
from typing import Any

import pytest

from rowmill.testing import ModelServer, Reply

from .gauge import newest
from .harness import Ended, Rowmill, number_of, run_words, written

pytestmark = pytest.mark.xdist_group("process-datasets")

ROWS = 12
FUNCTIONS = """
import pathlib

def shout(row):
    with open("calls", "a") as calls:
        calls.write(row["id"] + "\\n")
    if pathlib.Path("broken").exists() and row["id"] in ("2", "4"):
        raise ValueError("not today")
    return row["text"].upper()

def twice(row):
    return row["loud"] * 2
"""


@pytest.fixture
def things(rowmill: Rowmill) -> Rowmill:
    """The dataset ``things``, and functions to run over it."""
    (rowmill.place / "f.py").write_text(FUNCTIONS)
    write(rowmill, {})
    rowmill.ok("import", "things.csv", "--key", "id")
    return rowmill


def write(rowmill: Rowmill, changed: dict[int, str], rows: int = ROWS, colour: str = "red") -> None:
    lines = [f"{number},{changed.get(number, f'text-{number}')},{colour}\n" for number in range(1, rows + 1)]
    (rowmill.place / "things.csv").write_text("id,text,colour\n" + "".join(lines))


def shout(rowmill: Rowmill, *more: str, input_: str = "things") -> Ended:
    words = ("--processor", "f:shout", "-c", "loud", "--max-attempts", "1", "--concurrency", "1")
    return rowmill.run("run", input_, *words, *more)


def calls(rowmill: Rowmill) -> list[int]:
    """The records that the function was called with since the last look."""
    path = rowmill.place / "calls"
    found = [int(line) for line in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def exported(rowmill: Rowmill, *words: str) -> list[dict[str, str]]:
    rowmill.ok("export", "things", "-o", "out.csv", "--overwrite", *words)
    return written(rowmill.place / "out.csv")


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        ([], list(range(1, ROWS + 1))),
        (["--rows", "2-4"], [2, 3, 4]),
        (["--where", "id >= 11 or text = 'text-3'"], [3, 11, 12]),
        (["--where", "colour = blue or id = 7"], [7]),
        (["--keys", "5,2"], [2, 5]),
        (["--keys", "@keys.txt", "--rows", "1-4"], [3]),
        (["--only", "new", "--rows", "1-2"], [1, 2]),
    ],
    ids=["all", "rows", "where", "or", "keys", "keys of a file", "new"],
)
def test_only_the_chosen_records_are_worked(things: Rowmill, words: list[str], taken: list[int]) -> None:
    (things.place / "keys.txt").write_text("3\n9\n")
    assert shout(things, *words, "-o", "run.csv").code == 0
    assert calls(things) == taken
    assert [line["id"] for line in written(things.place / "run.csv")] == [str(number) for number in taken]
    assert [line["loud"] for line in exported(things)] == [
        f"TEXT-{number}" if number in taken else "" for number in range(1, ROWS + 1)
    ]
    job = things.show()
    assert (job["type"], job["total"], job["succeeded"]) == ("enrichment", len(taken), len(taken))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "id = 99"], "no such record"),
        (["--where", "colur = red"], "Did you mean 'colour'"),
        (["--where", "id ="], "ends where a value is expected"),
        (["--keys", "1,77"], "no record with the key '77'"),
        (["--rows", "3-99"], "after the last row, 12"),
        (["--only", "failed"], "--from JOB"),
        (["--key", "id"], "--key takes a file"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(things: Rowmill, words: list[str], said: str) -> None:
    refused = shout(things, *words)
    assert refused.code == 2, refused
    assert said in refused.complaint
    assert len(things.jobs()) == 1


def test_only_new_records_are_paid_for(things: Rowmill) -> None:
    assert shout(things, "--only", "new").code == 0
    assert calls(things) == list(range(1, ROWS + 1))
    again = shout(things, "--only", "new")
    assert (again.code, "No record of things is new" in again.stderr) == (0, True)
    assert (calls(things), len(things.jobs())) == ([], 2)

    write(things, {2: "other"}, ROWS + 3)
    things.ok("import", "things.csv", "--key", "id")
    assert shout(things, "--only", "new").code == 0
    assert calls(things) == [13, 14, 15], "a changed one is not new"


def test_only_changed_records_are_paid_for(things: Rowmill) -> None:
    shout(things)
    calls(things)
    write(things, {3: "three", 7: "seven", 12: "twelve"}, ROWS + 1)
    assert "1 created, 3 updated, 9 unchanged" in things.ok("import", "things.csv", "--key", "id").stderr
    assert shout(things, "--only", "changed").code == 0
    assert calls(things) == [3, 7, 12, 13]
    again = shout(things, "--only", "changed")
    assert (again.code, "No record of things is new or has changed" in again.stderr) == (0, True)
    assert (calls(things), len(things.jobs())) == ([], 4)
    assert [line["loud"] for line in exported(things, "-c", "loud")][2] == "THREE"

    write(things, {}, ROWS + 1)  # the old values again: what was found for them is not the newest result
    things.ok("import", "things.csv", "--key", "id")
    assert shout(things, "--only", "changed").code == 0
    assert calls(things) == [3, 7, 12]


def test_a_column_that_the_prompt_does_not_use_may_change(things: Rowmill) -> None:
    with ModelServer() as server:
        words = run_words(server, "things", "--only", "changed", "-c", "answer", output=None)
        things.ok(*words)
        assert server.total == ROWS
        write(things, {}, colour="green")
        assert f"{ROWS} updated" in things.ok("import", "things.csv", "--key", "id").stderr
        assert "No record of things is new or has changed" in things.ok(*words).stderr
        assert server.total == ROWS
        write(things, {5: "text-500", 6: "text-600"}, colour="green")
        things.ok("import", "things.csv", "--key", "id")
        things.ok(*words)
        assert server.total == ROWS + 2
        assert {number_of(request) for request in server.requests[ROWS:]} == {500, 600}


def test_rows_that_failed_are_no_results_and_are_new(things: Rowmill) -> None:
    (things.place / "broken").touch()
    assert shout(things).code == 4
    failed = things.show()["id"]
    (things.place / "broken").unlink()
    calls(things)
    assert shout(things, "--only", "new", "--rows", "1-3").code == 0
    assert calls(things) == [2]
    things.ok("run", "--from", failed, "--only", "failed")
    assert calls(things) == [2, 4]
    assert [line["loud"] for line in exported(things)] == [f"TEXT-{number}" for number in range(1, ROWS + 1)]


def test_a_later_job_uses_the_column_of_an_earlier_one(things: Rowmill) -> None:
    with ModelServer() as server:
        words = ["run", "things", "--prompt", "{{loud}}", "--model", "openai/test", "--base-url", server.url]
        refused = things.run(*words)
    assert (refused.code, "no such column" in refused.complaint) == (2, True)
    shout(things)
    things.ok("run", "things", "--processor", "f:twice", "-c", "louder")
    with ModelServer() as server:
        words = ["--prompt", "Rate {{louder}}", "-c", "mood", "--rows", "2", "--model", "openai/test"]
        things.ok("run", "things", *words, "--base-url", server.url)
        assert [request.prompt for request in server.requests] == ["Rate TEXT-2TEXT-2"]
    line = exported(things, "--rows", "2")[0]
    assert line == {
        "id": "2", "text": "text-2", "colour": "red", "loud": "TEXT-2", "louder": "TEXT-2TEXT-2", "mood": "ok"
    }  # fmt: skip
    assert things.ok("show", "things", "--json").json["result_columns"] == ["loud", "louder", "mood"]
    assert shout(things, "--where", "loud = TEXT-3", "--new").code == 0
    assert things.show()["total"] == 1


def test_a_record_tells_where_its_results_come_from(things: Rowmill) -> None:
    shout(things)
    first = things.show()
    write(things, {2: "two"})
    things.ok("import", "things.csv", "--key", "id")
    shout(things, "--only", "changed")
    second = things.show()
    with ModelServer(script=lambda request: Reply("fine")) as server:
        things.ok(*run_words(server, "things", "--rows", "2", "-c", "mood", output=None))
    record = things.ok("rows", "things", "2", "--json").json
    assert [(version["revision"], version["values"]["text"]) for version in record["versions"]] == [
        (1, "text-2"),
        (2, "two"),
    ]
    results: list[dict[str, Any]] = record["results"]
    assert [result["output"] for result in results] == [{"loud": "TEXT-2"}, {"loud": "TWO"}, {"mood": "fine"}]
    assert [result["job"] for result in results] == [first["id"], second["id"], newest(things)]
    assert [(result["execution"], result["row"]) for result in results] == [(1, 2), (1, 1), (1, 1)]
    assert [result["model"] for result in results] == [None, None, "openai/test"]
    assert len({tuple(result["step_versions"]) for result in results}) == 2


def test_a_file_that_is_run_every_night_by_its_key(rowmill: Rowmill) -> None:
    (rowmill.place / "f.py").write_text(FUNCTIONS)
    write(rowmill, {})
    nightly = ("--key", "id", "--only", "changed")
    assert shout(rowmill, *nightly, input_="things.csv").code == 0
    assert calls(rowmill) == list(range(1, ROWS + 1))
    assert shout(rowmill, *nightly, input_="things.csv").code == 0
    assert calls(rowmill) == []
    write(rowmill, {4: "four"}, ROWS + 2)
    assert shout(rowmill, *nightly, input_="things.csv").code == 0
    assert calls(rowmill) == [4, 13, 14]
    assert rowmill.ok("datasets", "--json").json[0]["rows"] == ROWS + 2


def test_a_file_cannot_be_asked_for_what_only_a_dataset_has(things: Rowmill) -> None:
    for words in (["--only", "new"], ["--where", "id = 1"], ["--keys", "1"]):
        refused = shout(things, *words, input_="things.csv")
        assert (refused.code, "things.csv is a file" in refused.complaint) == (2, True)
    Path(things.place / "things").write_text("no table")
    assert "Both a dataset and a file are called things" in shout(things).complaint


def test_keys_may_hold_what_separates_them_and_those_of_a_file_are_taken_as_they_are(rowmill: Rowmill) -> None:
    (rowmill.place / "f.py").write_text(FUNCTIONS)
    (rowmill.place / "things.csv").write_text('id,text\n"a,b",x\n"""c""",y\nd,z\n')
    rowmill.ok("import", "things.csv", "--key", "id")
    assert shout(rowmill, "--keys", '"a,b",d').code == 0
    assert (rowmill.place / "calls").read_text().splitlines() == ["a,b", "d"]
    (rowmill.place / "keys.txt").write_text('a,b\n"c"\n')
    assert shout(rowmill, "--keys", "@keys.txt").code == 0
    assert (rowmill.place / "calls").read_text().splitlines()[2:] == ["a,b", '"c"']
