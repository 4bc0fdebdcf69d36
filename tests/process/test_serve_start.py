"""What ``rowmill serve`` is allowed when it is started, and its end while requests hang."""

import os
import socket
import threading
from contextlib import suppress

import pytest
import urllib3

from tests.support.deadline import DEADLINE

from .harness import Rowmill, wait_until
from .serving import Server, end, serve


def test_a_function_is_found_where_the_server_was_started(rowmill: Rowmill) -> None:
    (rowmill.place / "mymod.py").write_text("def shout(row): return row['text'].upper()")
    server = serve(rowmill, "--allow-python", "mymod:shout")
    step = {"processor": "python", "function": "mymod:shout", "output": {"loud": {"type": "string"}}}
    job = server.completed(server.submit(2, steps=[step]))
    rows = server.get(f"/v1/jobs/{job['id']}/rows")["data"]
    assert [row["output"]["loud"] for row in rows] == ["TEXT-1", "TEXT-2"]
    end(server)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--allow-python", "mymod:shouted", "The module 'mymod' has no function 'shouted'. Did you mean 'shout'?"),
        ("--allow-python", "nowhere_xyz:f", "There is no Python module 'nowhere_xyz'."),
        ("--allow-python", "broken:f", "The module 'broken' cannot be imported: RuntimeError: at import."),
        ("--allow-python", "mymod", "'mymod' names no function."),
        ("--allow-url", "file:///etc", "--allow-url 'file:///etc' begins no URL that tables come from."),
        ("--allow-url", "example.com/data", "--allow-url 'example.com/data' begins no URL"),
        ("--allow-url", "https:///data", "--allow-url 'https:///data' names no host."),
        ("--allow-url", "http://[::1/", "--allow-url 'http://[::1/' names no host."),
        ("--allow-env", "A B", "--allow-env 'A B' is no name of a variable."),
        ("--allow-env", "${TOKEN}", "--allow-env '${TOKEN}' is no name of a variable."),
        ("--allow-host", "https://example.com", "--allow-host 'https://example.com' is no name of a host."),
        ("--allow-host", "example.com:8080", "--allow-host 'example.com:8080' is no name of a host."),
        ("--allow-host", "", "--allow-host '' is no name of a host."),
    ],
)
def test_what_can_never_be_allowed_is_said_at_the_start(
    rowmill: Rowmill, option: str, value: str, sentence: str
) -> None:
    (rowmill.place / "mymod.py").write_text("def shout(row): return row['text'].upper()")
    (rowmill.place / "broken.py").write_text("raise RuntimeError('at import')")
    refused = rowmill.run("serve", "--port", "0", option, value)
    assert refused.code == 2
    assert refused.complaint.startswith(f"rowmill: {sentence}")


def test_what_makes_sense_is_allowed(rowmill: Rowmill) -> None:
    words = ["--allow-url", "s3://bucket/", "--allow-url", "HTTPS://data.example.com:8443/a"]
    end(serve(rowmill, *words, "--allow-env", "API_TOKEN", "--allow-host", "Rowmill.example.com"))


def test_a_pipe_below_an_allowed_directory_holds_up_nobody(rowmill: Rowmill) -> None:
    os.mkfifo(rowmill.place / "pipe.csv")
    server = serve(rowmill, "--allow-path", ".")
    asked = {"type": "import", "path": str(rowmill.place / "pipe.csv")}
    for _ in range(45):
        refused = server.ask("POST", "/v1/jobs", asked)
        assert (refused.status, refused.json()["code"]) == (422, "input")
    end(server)


def test_a_pipe_is_no_table_to_import(rowmill: Rowmill) -> None:
    os.mkfifo(rowmill.place / "pipe.csv")
    refused = rowmill.run("import", "pipe.csv")
    assert refused.code == 2
    assert "pipe.csv is not a regular file." in refused.complaint


def test_sigterm_ends_it_in_time_and_quietly_while_requests_hang(rowmill: Rowmill) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        server = serve(rowmill, "--allow-url", place, "--allow-private", "--grace", "0")
        answers: list[int] = []
        asking = [threading.Thread(target=_import, args=(server, place, answers), daemon=True) for _ in range(3)]
        for thread in asking:
            thread.start()
        calls = [silent.accept()[0] for _ in asking]
        end(server)
        wait_until(lambda: len(answers) == len(asking), "the answers")
        for call in calls:
            call.close()
    assert answers == [503] * len(asking)
    assert "CancelledError" not in server.process.stderr


def _import(server: Server, place: str, answers: list[int]) -> None:
    with suppress(urllib3.exceptions.HTTPError):
        asked = {"type": "import", "url": f"{place}a.csv"}
        answers.append(urllib3.request("POST", f"{server.url}/v1/jobs", json=asked, timeout=DEADLINE).status)
