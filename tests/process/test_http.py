"""The ``http`` processor from the command line, against a real server."""

import json

import pytest

from .harness import Ended, Rowmill, written
from .servers import Asked, WebServer, web_server

pytestmark = pytest.mark.xdist_group("process-datasets")

SECRET = "a-secret-that-is-nowhere-else"


def _answer(asked: Asked) -> tuple[int, bytes]:
    number = asked.path.rpartition("=")[2]
    if asked.headers.get("X-Key") != SECRET:
        return 401, b"{}"
    return 200, json.dumps({"data": {"name": f"name of {number}", "size": int(number)}}).encode()


def _run(rowmill: Rowmill, server: WebServer, *more: str) -> Ended:
    words = ["run", "in.csv", "--url", f"{server.url}/things?text={{{{text}}}}&id={{{{id}}}}", "-o", "out.csv"]
    words += ["--header", "X-Key: ${THE_KEY}", "-c", "name: text", "-c", "size: integer", "--max-attempts", "1"]
    words += ["--path", "name=$.data.name", "--path", "size=$.data.size"]
    return rowmill.run(*words, *more, THE_KEY=SECRET)


def test_every_row_is_a_request_and_its_answer_becomes_columns(rowmill: Rowmill) -> None:
    (rowmill.place / "in.csv").write_text("id,text\n1,a&b=c\n2,ü /?\n3,plain\n")
    with web_server(_answer) as server:
        assert _run(rowmill, server, "--allow-private").code == 0
    assert sorted(asked.path for asked in server.asked) == [
        "/things?text=%C3%BC%20%2F%3F&id=2",
        "/things?text=a%26b%3Dc&id=1",
        "/things?text=plain&id=3",
    ]
    assert [(line["name"], line["size"]) for line in written(rowmill.place / "out.csv")] == [
        ("name of 1", "1"),
        ("name of 2", "2"),
        ("name of 3", "3"),
    ]


def test_a_secret_of_a_header_is_stored_nowhere(rowmill: Rowmill) -> None:
    rowmill.table(20)
    with web_server(_answer) as server:
        ended = _run(rowmill, server, "--allow-private")
        assert {asked.headers["X-Key"] for asked in server.asked} == {SECRET}
    said = ended.stdout + ended.stderr + rowmill.ok("show", "last", "--json").stdout + rowmill.ok("jobs").stdout
    assert SECRET not in said
    assert "${THE_KEY}" in said
    files = [path for path in rowmill.place.rglob("*") if path.is_file()]
    assert any(path.name == "rowmill.db" for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_a_secret_that_the_server_repeats_in_an_error_is_stored_nowhere(rowmill: Rowmill) -> None:
    rowmill.table(3)
    with web_server(lambda asked: (400, f"no such key: {SECRET}".encode())) as server:
        assert _run(rowmill, server, "--allow-private").code in (4, 5)
        assert len(server.asked) == 3
    assert rowmill.ok("rows", "last", "1", "--json").json["attempts"][0]["error"]["code"]
    assert [path for path in rowmill.home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()] == []


def test_a_private_address_is_refused_unless_allowed(rowmill: Rowmill) -> None:
    rowmill.table(3)
    with web_server(_answer) as server:
        ended = _run(rowmill, server)
        assert ended.code == 5, "every row failed for the same reason"
        assert "is not on the public internet; if that is meant, allow it (--allow-private" in ended.stderr
        assert server.asked == []
        attempt = rowmill.ok("rows", "last", "1", "--json").json["attempts"][0]
        assert attempt["error"]["code"] == "private_address"
        assert _run(rowmill, server, "--allow-private").code == 0
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--url", "http://127.0.0.1/{{txt}}"], "Did you mean 'text'?"),
        (["--url", "ftp://127.0.0.1/{{text}}"], "http"),
        (["--url", "http://127.0.0.1/", "--prompt", "x"], "--url does without --prompt"),
        (["--url", "http://127.0.0.1/", "--header", "X-Key"], "no pair"),
        (["--url", "http://127.0.0.1/", "--header", "X-Key: ${NOT_SET}"], "NOT_SET"),
        (["--url", "http://127.0.0.1/", "--path", "result=data["], "data["),
    ],
)
def test_what_cannot_work_is_refused_before_the_start(rowmill: Rowmill, words: list[str], said: str) -> None:
    rowmill.table(3)
    refused = rowmill.run("run", "in.csv", *words)
    assert refused.code == 2, refused
    assert said in refused.complaint
    assert rowmill.jobs() == []


def test_a_dataset_is_enriched_by_an_api_and_what_the_url_does_not_use_may_change(rowmill: Rowmill) -> None:
    (rowmill.place / "in.csv").write_text("id,note\n1,a\n2,b\n")
    rowmill.ok("import", "in.csv", "--dataset", "things", "--key", "id")
    with web_server(_answer) as server:
        words = ["run", "things", "--url", f"{server.url}/?id={{{{id}}}}", "--header", "X-Key: ${THE_KEY}"]
        words += ["--path", "name=$.data.name", "-c", "name", "--allow-private", "--only", "changed"]
        rowmill.ok(*words, THE_KEY=SECRET)
        (rowmill.place / "in.csv").write_text("id,note\n1,another\n2,b\n3,c\n")
        rowmill.ok("import", "in.csv", "--dataset", "things", "--key", "id")
        rowmill.ok(*words, THE_KEY=SECRET)
    assert [asked.path for asked in server.asked[2:]] == ["/?id=3"]
    rowmill.ok("export", "things", "-o", "out.csv")
    assert [line["name"] for line in written(rowmill.place / "out.csv")] == [f"name of {n}" for n in (1, 2, 3)]
