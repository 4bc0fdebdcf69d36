"""Imports: formats and places, refused lines, the same file again, and plans."""

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from xlsxwriter import Workbook  # type: ignore[import-untyped]

from .harness import Ended, Rowmill, written
from .servers import ObjectServer, file_server, web_server

pytestmark = pytest.mark.xdist_group("process-import")

COLUMNS = ["id", "name", "note"]
ROWS = [["007", "Ada, Countess", 'said "yes"'], ["008", "Grace\nHopper", "=1+1"], ["009", "Ünal", ""]]
FORMATS = ["csv", "tsv", "jsonl", "parquet", "xlsx"]

GOODS = """Product ID,product_type,Price,In Stock,Tags,Since
A1,Shirt,12.50,yes,red | blue,2026-02-01
A2,shirt ,1 234,FALSE,,2026-02-02T03:04:05
A3,Shrit,9,1,,
A4,Hat,cheap,1,,
,Hat,1,1,,
A6,Hat,1,perhaps,,
A7,Hat,1,1,,31.12.2026
A8,Hat,1,1,,,,too much
A1,Hat,13,no,green,
"""
SCHEMA = [
    *("-c", "Product Type: Shirt | Hat", "-c", "price: number", "-c", "in_stock: boolean", "-c", "tags: list"),
    *("-c", "since: date", "--key", "product id"),
]


def write(path: Path, columns: list[str] = COLUMNS, rows: list[list[Any]] = ROWS) -> Path:
    """Writes the table in the format that the suffix says, by no code of Rowmill's."""
    match path.suffix:
        case ".csv" | ".tsv":
            with path.open("w", newline="") as file:
                csv.writer(file, "excel-tab" if path.suffix == ".tsv" else "excel").writerows([columns, *rows])
        case ".jsonl":
            path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
        case ".parquet":
            pq.write_table(pa.table(dict(zip(columns, zip(*rows, strict=True), strict=True))), path)
        case ".xlsx":
            with Workbook(str(path), {"strings_to_formulas": False}) as book:
                sheet = book.add_worksheet()
                for number, row in enumerate([columns, *rows]):
                    sheet.write_row(number, 0, row)
    return path


def records(rowmill: Rowmill, name: str) -> list[list[Any]]:
    """The values of a dataset, from its first record on; ``None`` and empty text are the same here."""
    found = rowmill.ok("rows", name, "--limit", "10000", "--json").json
    return [[value or "" for value in record["values"].values()] for record in found]


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_from_a_path_stdin_and_the_web(rowmill: Rowmill, format_: str) -> None:
    path = write(rowmill.place / f"people.{format_}")
    rowmill.ok("import", path.name)
    assert records(rowmill, "people") == ROWS

    rowmill.ok("import", f"./{path.name}", "--dataset", "again", "--input-format", format_)
    assert records(rowmill, "again") == ROWS

    piped = ["sh", "-c", f'exec "$@" < {path.name}', "sh"]
    words = ("import", "-", "--dataset", "piped", "--input-format", format_)
    assert rowmill.start_through(piped, *words).end().code == 0
    assert records(rowmill, "piped") == ROWS

    with web_server(file_server({f"some/table.{format_}": path.read_bytes()})) as server:
        rowmill.ok("import", f"{server.url}/some/table.{format_}?key=sesame", "--dataset", "web")
    assert records(rowmill, "web") == ROWS
    assert rowmill.show()["source"]["file"] == f"{server.url}/some/table.{format_}"
    assert list((rowmill.home / "files").iterdir()) == []
    assert b"sesame" not in b"".join(file.read_bytes() for file in rowmill.home.iterdir() if file.is_file())


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_from_an_object_store_and_back(rowmill: Rowmill, objects: ObjectServer, format_: str) -> None:
    objects.put(f"in.{format_}", write(rowmill.place / f"in.{format_}").read_bytes())
    rowmill.ok("import", f"s3://tables/in.{format_}", "--dataset", "people", **objects.env)
    assert records(rowmill, "people") == ROWS

    target = f"s3://tables/out/people.{format_}"
    words = ("export", "people", "-o", target, "--no-safe-cells")
    rowmill.ok(*words, **objects.env)
    (rowmill.place / f"back.{format_}").write_bytes(objects.get(f"out/people.{format_}"))
    rowmill.ok("import", f"back.{format_}")
    assert records(rowmill, "back") == ROWS

    refused = rowmill.run(*words, "--new", **objects.env)
    assert refused.code == 2
    assert f"{target} exists already" in refused.complaint
    rowmill.ok(*words, "--new", "--overwrite", **objects.env)
    assert list((rowmill.home / "files").iterdir()) == []
    assert all(b"a-secret-of-someone" not in file.read_bytes() for file in rowmill.home.glob("rowmill.db*"))


def _goods(rowmill: Rowmill) -> Ended:
    (rowmill.place / "goods.csv").write_text(GOODS)
    return rowmill.run("import", "goods.csv", *SCHEMA)


def test_a_schema_coerces_what_fits_and_refuses_the_rest_with_reasons(rowmill: Rowmill) -> None:
    ended = _goods(rowmill)
    job = rowmill.show()
    assert ended.code == 4
    assert "of 9 rows 2 created, 1 superseded, 6 failed" in ended.stderr
    assert f"rowmill export {job['id']} --only failed -o FILE" in ended.stderr
    assert (job["type"], job["status"], job["needs_attention"]) == ("import", "completed", True)
    assert (job["created"], job["updated"], job["unchanged"], job["skipped"], job["failed"]) == (2, 0, 0, 1, 6)

    found = rowmill.ok("rows", "goods", "--json").json
    assert found[0]["values"] == {
        "product id": "A1", "Product Type": "Hat", "price": 13, "in_stock": False, "tags": ["green"], "since": None,
    }  # fmt: skip
    assert list(found[1]["values"].values()) == ["A2", "Shirt", 1234, False, None, "2026-02-02T03:04:05"]
    failed = {row["number"]: row["error"] for row in rowmill.rows("failed")}
    assert {number: error["code"] for number, error in failed.items()} == {
        3: "not_in_list", 4: "not_number", 5: "missing_key", 6: "not_boolean", 7: "not_date", 8: "malformed",
    }  # fmt: skip
    assert "Did you mean 'Shirt'?" in failed[3]["message"]
    assert "'price'" in failed[4]["message"]
    assert "Line 9" in failed[8]["message"]
    assert [row["error"]["code"] for row in rowmill.rows("skipped")] == ["superseded"]


def test_failed_rows_come_out_are_mended_and_go_in_again(rowmill: Rowmill) -> None:
    _goods(rowmill)
    rowmill.ok("export", "last", "--only", "failed", "-o", "failed.csv")
    failed = written(rowmill.place / "failed.csv")
    assert [line["_row"] for line in failed] == ["3", "4", "5", "6", "7", "8"]
    assert failed[1]["_error"].startswith("not_number: ")
    assert failed[1]["Price"] == "cheap"
    assert failed[5]["_rest"] == '["","too much"]'

    mended = {"product_type": "Hat", "Price": "5", "In Stock": "no", "Since": "", "_rest": ""}
    with (rowmill.place / "mended.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, failed[0])
        writer.writeheader()
        writer.writerows({**line, **mended, "Product ID": f"M{line['_row']}"} for line in failed)
    ended = rowmill.ok("import", "mended.csv", "--dataset", "goods", "--key", "Product ID")
    assert "6 created" in ended.stderr
    columns = ["product id", "Product Type", "price", "in_stock", "tags", "since"]
    assert rowmill.ok("datasets", "--json").json[0]["columns"] == columns
    assert [record[0] for record in records(rowmill, "goods")][2:] == [f"M{number}" for number in range(3, 9)]


def test_failed_rows_are_retried_after_another_import_has_changed_the_schema(rowmill: Rowmill) -> None:
    (rowmill.place / "a.csv").write_text("id,size\n1,S\n2,XL\n3,M\n4,huge\n")
    (rowmill.place / "b.csv").write_text("id,size\n5,XL\n")
    assert rowmill.run("import", "a.csv", "--dataset", "d", "--key", "id", "-c", "size: S | M").code == 4
    first = rowmill.show()["id"]
    rowmill.ok("import", "b.csv", "--dataset", "d", "--key", "id", "-c", "size: S | M | XL")
    ended = rowmill.run("retry", first)
    job = rowmill.show(first)
    assert ended.code == 4
    assert (job["created"], job["failed"], job["status"]) == (3, 1, "completed")
    assert [row["number"] for row in rowmill.rows("failed", first)] == [4]
    assert records(rowmill, "d") == [["1", "S"], ["3", "M"], ["5", "XL"], ["2", "XL"]]


def test_the_same_file_again_changes_nothing(rowmill: Rowmill) -> None:
    write(rowmill.place / "people.csv")
    words = ("import", "people.csv", "--key", "id")
    rowmill.ok(*words)
    again = rowmill.ok(*words)
    assert "3 unchanged" in again.stderr
    assert "Nothing has changed" in again.stderr
    assert rowmill.ok("datasets", "--json").json[0]["revision"] == 1
    assert rowmill.count("records") == 3
    counts = rowmill.show()
    assert (counts["created"], counts["updated"], counts["unchanged"], counts["skipped"]) == (0, 0, 3, 3)

    rowmill.ok("import", "people.csv", "--dataset", "plain")
    assert (
        "nothing is added (--new imports it again)" in rowmill.ok("import", "people.csv", "--dataset", "plain").stderr
    )
    assert len(records(rowmill, "plain")) == 3
    rowmill.ok("import", "people.csv", "--dataset", "plain", "--new")
    assert len(records(rowmill, "plain")) == 6


def test_changed_records_get_a_version_and_the_old_one_stays_readable(rowmill: Rowmill) -> None:
    write(rowmill.place / "people.csv")
    rowmill.ok("import", "people.csv", "--key", "id")
    write(rowmill.place / "people.csv", rows=[["008", "Rear Admiral Hopper", ""], ["010", "Edsger", ""], ROWS[2]])
    ended = rowmill.ok("import", "people.csv", "--key", "id")
    assert "1 created, 1 updated, 1 unchanged" in ended.stderr
    versions = rowmill.ok("rows", "people", "2", "--json").json["versions"]
    assert [(each["revision"], each["superseded"], each["values"]["name"]) for each in versions] == [
        (1, 2, "Grace\nHopper"),
        (2, None, "Rear Admiral Hopper"),
    ]


def _content(rowmill: Rowmill) -> tuple[list[str], list[str]]:
    """All that the store holds, and its own files."""
    with sqlite3.connect(f"file:{rowmill.home}/rowmill.db?mode=ro", uri=True) as database:
        held = list(database.iterdump())
    database.close()
    return held, sorted(str(path) for path in (rowmill.home / "files").glob("*"))


def test_a_plan_says_what_would_be_done_and_writes_nothing(rowmill: Rowmill, objects: ObjectServer) -> None:
    _goods(rowmill)
    before = _content(rowmill)
    newer = GOODS.replace("A1,Hat,13", "A1,Hat,14") + "A9,Hat,1,1,,\nA2,Shirt,1234,false,,2026-02-02T03:04:05\n"
    (rowmill.place / "goods.csv").write_text(newer)
    objects.put("goods.csv", newer.encode())
    planned = rowmill.ok("import", "goods.csv", *SCHEMA, "--plan", "--json").json
    assert (planned["dataset"], planned["exists"], planned["total"]) == ("goods", True, 11)
    actions = ("created", "updated", "unchanged", "superseded", "failed")
    assert [planned[action] for action in actions] == [1, 1, 1, 2, 6]
    assert planned["codes"]["not_number"] == 1
    assert planned["new_columns"] == []
    assert planned["first_refused"][0][:2] == [3, "not_in_list"]
    (rowmill.place / "more.csv").write_text("Product ID,Origin\nA1,here\n")
    more = rowmill.ok("import", "more.csv", "--dataset", "goods", "--key", "product id", "--plan", "--json").json
    assert (more["new_columns"], more["updated"]) == (["Origin"], 1)
    said = rowmill.ok("import", "s3://tables/goods.csv", *SCHEMA, "--plan", **objects.env).stdout
    assert said.endswith("Nothing was written.\n")
    piped = rowmill.start_through(
        ["sh", "-c", 'exec "$@" < goods.csv', "sh"], "import", "-", "--dataset", "new", "--plan"
    ).end()
    assert (piped.code, "a new dataset new" in piped.stdout) == (0, True)
    assert _content(rowmill) == before

    assert rowmill.run("import", "goods.csv", *SCHEMA).code == 4
    job = rowmill.show()
    done = [job[action] for action in actions[:3]] + [job["skipped"] - job["unchanged"], job["failed"]]
    assert done == [planned[action] for action in actions], "the import does what the plan said"
