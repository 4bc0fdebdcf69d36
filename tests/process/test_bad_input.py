"""Bad input: one sentence, exit code 2, nothing half-made."""

from pathlib import Path

import pytest

from rowmill.testing import ModelServer

from .harness import Rowmill

pytestmark = pytest.mark.xdist_group("process-bad-input")

SERVER = "http://127.0.0.1:9/v1"
"""Nobody listens there: nothing may be asked."""

GOOD = {
    "input": "good.csv",
    "--prompt": "Say {{text}}",
    "--model": "openai/test",
    "--base-url": SERVER,
    "-o": "out.csv",
}

CASES: dict[str, tuple[dict[str, str | None], str]] = {
    "missing file": ({"input": "nowhere.csv"}, "nowhere.csv"),
    "directory": ({"input": "folder.csv"}, "folder.csv"),
    "empty file": ({"input": "empty.csv"}, "empty.csv is empty"),
    "header only": ({"input": "header.csv"}, "header.csv has a header and no rows"),
    "ragged row": ({"input": "ragged.csv"}, "Line 3 of ragged.csv has 3 cells, but the header has 2 columns"),
    "column named twice": ({"input": "twice.csv"}, 'two columns called "text"'),
    "open quote": ({"input": "quote.csv"}, "line 2 of quote.csv is never closed"),
    "broken JSON": ({"input": "broken.jsonl"}, "2 of broken.jsonl"),
    "input suffix": ({"input": "good.txt"}, "suffix .txt"),
    "no input": ({"input": None}, "no input"),
    "unknown column": ({"--prompt": "Say {{txet}}"}, "Did you mean 'text'?"),
    "open braces": ({"--prompt": "Say {{text"}, "without closing"),
    "missing prompt file": ({"--prompt": "@nowhere.txt"}, "nowhere.txt"),
    "nothing to do": ({"--prompt": None}, "--prompt"),
    "bad type": ({"-c": "mood: strng"}, "unknown type 'strng'"),
    "type by another word": ({"-c": "mood: string"}, "Did you mean 'text'?"),
    "one label": ({"-c": "mood: good |"}, "empty label"),
    "rows after the last": ({"--rows": "1-4"}, "after the last row, 3"),
    "rows that are none": ({"--rows": "some"}, "'some'"),
    "row zero": ({"--rows": "0-2"}, "from 1"),
    # A directory below a regular file cannot be made or written to by anybody, root included.
    "unwritable output": ({"-o": "good.csv/out.csv"}, "There is no directory"),
    "missing output directory": ({"-o": "nowhere/out.csv"}, "There is no directory"),
    "output is a directory": ({"-o": "folder.csv"}, "is a directory"),
    "output suffix": ({"-o": "out.doc"}, "suffix .doc"),
    "no output suffix": ({"-o": "out"}, "no suffix"),
    "no model": ({"--model": None}, "openai/NAME"),
    "bare model": ({"--model": "gpt-4o-mini"}, "Did you mean openai/gpt-4o-mini?"),
    "unknown provider": ({"--model": "opnai/test"}, "no provider 'opnai'"),
    "missing key": ({"--base-url": None, "--api-key-env": "NO_SUCH_KEY"}, "NO_SUCH_KEY is not set"),
    "bad address": ({"--base-url": "localhost:80"}, "not an HTTP address"),
    "clash of columns": ({"-c": "text"}, "already has a column 'text'"),
    "clash with the status": ({"input": "status.csv"}, "already has a column '_status'"),
    "same column twice": ({"-c": "mood\0-c\0mood: number"}, "given twice"),
    "no such function": ({"--prompt": None, "--model": None, "--processor": "nowhere:nothing"}, "nowhere"),
    "function and prompt": ({"--processor": "json:dumps"}, "--processor"),
    "no such job": ({"input": None, "--from": "job_x", "--only": "failed"}, "no job 'job_x'"),
}


@pytest.fixture
def tables(rowmill: Rowmill) -> Path:
    contents = {
        "good.csv": "id,text\n1,a\n2,b\n3,c\n",
        "good.txt": "id,text\n1,a\n",
        "empty.csv": "",
        "header.csv": "id,text\n",
        "ragged.csv": "id,text\n1,a\n2,b,c\n",
        "twice.csv": "text,text\n1,a\n",
        "quote.csv": 'id,text\n1,"a\n',
        "broken.jsonl": '{"text": "a"}\n{"text":\n',
        "status.csv": "text,_status\na,b\n",
    }
    for name, content in contents.items():
        (rowmill.place / name).write_text(content)
    (rowmill.place / "folder.csv").mkdir()
    return rowmill.place


def _words(changes: dict[str, str | None]) -> list[str]:
    words = ["run"]
    for name, value in {**GOOD, **changes}.items():
        if value is not None:
            words += [*([] if name == "input" else [name]), *value.split("\0")]
    return words


@pytest.mark.parametrize(("changes", "said"), CASES.values(), ids=CASES.keys())
def test_bad_input_is_refused_in_one_sentence(
    rowmill: Rowmill, tables: Path, changes: dict[str, str | None], said: str
) -> None:
    before = sorted(tables.iterdir())
    ended = rowmill.run(*_words(changes))
    assert ended.code == 2, ended
    assert said in ended.complaint
    assert ended.complaint.endswith((".", "?"))
    assert ended.stdout == ""
    assert sorted(tables.iterdir()) == before
    assert [rowmill.count(table) for table in ("jobs", "datasets", "records")] == [0, 0, 0]


def test_a_large_input_that_turns_bad_at_its_end_leaves_nothing(rowmill: Rowmill) -> None:
    name = rowmill.table(12_000)
    with (rowmill.place / name).open("a") as file:
        file.write("12001,b,c\n")
    ended = rowmill.run(*_words({"input": name}))
    assert ended.code == 2
    assert f"Line 12002 of {name}" in ended.complaint
    assert [rowmill.count(table) for table in ("jobs", "datasets", "records")] == [0, 0, 0]


def test_the_good_command_that_the_bad_ones_change_works(rowmill: Rowmill, tables: Path) -> None:
    with ModelServer() as server:
        rowmill.ok(*_words({"--base-url": server.url}))
        assert server.total == 3
    assert (tables / "out.csv").exists()


def test_a_place_that_cannot_hold_a_store(rowmill: Rowmill, tables: Path) -> None:
    ended = rowmill.run("jobs", ROWMILL_HOME=str(tables / "good.csv" / "home"))
    assert ended.code == 2
    assert "ROWMILL_HOME" in ended.complaint
