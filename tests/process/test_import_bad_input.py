"""Imports that cannot work: one sentence, exit code 2, nothing half-made."""

from pathlib import Path

import pytest

from .harness import Rowmill
from .servers import ObjectServer, file_server, web_server

pytestmark = pytest.mark.xdist_group("process-import")

NOBODY = "http://127.0.0.1:9"

CASES: dict[str, tuple[list[str], str]] = {
    "missing file": (["nowhere.csv"], "nowhere.csv cannot be read"),
    "directory": (["folder.csv"], "folder.csv"),
    "unknown suffix": (["good.txt"], "suffix .txt"),
    "no suffix": (["good"], "has no suffix"),
    "unknown format": (["good.csv", "--input-format", "cvs"], "'cvs'"),
    "empty": (["empty.csv"], "empty.csv is empty"),
    "header only": (["header.csv"], "header.csv has a header and no rows"),
    "column named twice": (["twice.csv"], 'two columns called "id"'),
    "open quote": (["quote.csv"], "line 2 of quote.csv is never closed"),
    "no Parquet": (["broken.parquet"], "broken.parquet cannot be read as Parquet"),
    "no workbook": (["broken.xlsx"], "broken.xlsx cannot be read as XLSX"),
    "old workbook": (["old.xlsx"], "Excel 2003"),
    "no such key column": (["good.csv", "--key", "idd"], "Did you mean 'id'?"),
    "no such required column": (["good.csv", "--required", "nmae"], "Did you mean 'name'?"),
    "no such typed column": (["good.csv", "-c", "sise: integer"], "no column 'sise'"),
    "unknown type": (["good.csv", "-c", "name: txt"], "Did you mean 'text'?"),
    "declared twice": (["good.csv", "-c", "name: text", "-c", "name: list"], "declared twice"),
    "two headers for one column": (["both.csv", "-c", "size: text"], "both mean the column 'size'"),
    "name with a slash": (["good.csv", "--dataset", "a/b"], "'a/b' is not a valid dataset name"),
    "name of a job": (["good.csv", "--dataset", "job_1"], "'job_1' is not a valid dataset name"),
    "name last": (["good.csv", "--dataset", "last"], "'last' is not a valid dataset name"),
    "no name": (["good.csv", "--dataset", " "], "is not a valid dataset name"),
    "stdin without a name": (["-"], "--dataset NAME"),
    "empty stdin": (["-", "--dataset", "piped"], "stdin is empty"),
    "allowance": (["good.csv", "--max-failed", "some"], "'some'"),
    "web address that is not there": (["WEB/nowhere.csv"], "answered 404"),
    "web address that nobody serves": ([f"{NOBODY}/good.csv"], "cannot be reached"),
    "web address of nothing": (["WEB/empty.csv"], "empty.csv is empty"),
    "no such bucket": (["s3://nowhere/good.csv"], "no bucket 'nowhere'"),
    "no such object": (["s3://tables/nowhere.csv"], "There is no s3://tables/nowhere.csv"),
    "no key": (["s3://tables", "--dataset", "d", "--input-format", "csv"], "no address in an object store"),
    "unknown scheme": (["ftp://host/good.csv"], "ftp"),
}


@pytest.fixture
def tables(rowmill: Rowmill) -> Path:
    contents = {
        "good.csv": b"id,name,size\n1,a,S\n",
        "good.txt": b"id,name\n1,a\n",
        "good": b"id,name\n1,a\n",
        "empty.csv": b"",
        "header.csv": b"id,name\n",
        "twice.csv": b"id,id\n1,2\n",
        "quote.csv": b'id,name\n1,"a\n',
        "both.csv": b"Size,SIZE\n1,2\n",
        "broken.parquet": b"PAR1 and no more PAR1",
        "broken.xlsx": b"PK\x03\x04 and no more",
        "old.xlsx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
    }
    for name, content in contents.items():
        (rowmill.place / name).write_bytes(content)
    (rowmill.place / "folder.csv").mkdir()
    return rowmill.place


@pytest.mark.parametrize("plan", [[], ["--plan"]], ids=["import", "plan"])
@pytest.mark.parametrize(("words", "said"), CASES.values(), ids=CASES.keys())
def test_what_cannot_be_imported_is_refused_in_one_sentence(
    rowmill: Rowmill, tables: Path, objects: ObjectServer, words: list[str], said: str, plan: list[str]
) -> None:
    before = sorted(tables.iterdir())
    with web_server(file_server({"empty.csv": b""})) as server:
        ended = rowmill.run("import", *(word.replace("WEB", server.url) for word in words), *plan, **objects.env)
    assert ended.code == 2, ended
    assert said in ended.complaint
    assert ended.complaint.endswith((".", "?", "NAME", "FORMAT", "columns."))
    assert ended.stdout == ""
    assert sorted(tables.iterdir()) == before
    assert (rowmill.count("jobs"), rowmill.count("datasets")) == (0, 0)
    assert list((rowmill.home / "files").glob("*")) == []


def test_a_dataset_keeps_its_key_and_its_required_columns(rowmill: Rowmill, tables: Path) -> None:
    rowmill.ok("import", "good.csv", "--dataset", "d", "--key", "id", "--required", "name")
    before = rowmill.ok("datasets", "--json").json
    (tables / "less.csv").write_text("id,nmae\n2,b\n")
    for words, said in (
        (["good.csv", "--key", "name"], "cannot be changed"),
        (["less.csv", "--key", "id"], "Did you mean 'nmae'?"),
    ):
        refused = rowmill.run("import", *words, "--dataset", "d")
        assert refused.code == 2
        assert said in refused.complaint
    assert rowmill.ok("datasets", "--json").json == before
    assert len(rowmill.jobs()) == 1


def test_a_file_that_turns_out_to_be_broken_fails_the_job_and_keeps_what_came_in(rowmill: Rowmill) -> None:
    rows = 12_000
    name = rowmill.table(rows)
    with (rowmill.place / name).open("a") as file:
        file.write('12001,"never closed\n')
    ended = rowmill.run("import", name)
    assert ended.code == 3
    assert f"The quote that opens on line {rows + 2} of {name} is never closed" in ended.stderr
    job = rowmill.show()
    assert (job["status"], job["error"]["code"]) == ("failed", "input")
    assert job["created"] > 0
    rowmill.ok("cancel", "last")
    assert rowmill.ok("datasets", "--json").json[0]["rows"] == job["created"]
