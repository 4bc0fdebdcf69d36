"""Keys go in at a prompt or by stdin, are kept encrypted, and are used by jobs that know a connection's name alone."""

import stat
import subprocess
import time
from pathlib import Path

import pytest

from rowmill.testing import ChatRequest, ModelServer, Reply
from tests.support.deadline import DEADLINE

from .harness import PROGRAM, Ended, Rowmill, assert_done
from .test_terminal import Terminal

pytestmark = pytest.mark.xdist_group("process-connections")

KEY = "sk-very-secret-1234567890"


def typed(rowmill: Rowmill, stdin: str, *arguments: str) -> Ended:
    """Runs a command that gets ``stdin``."""
    ended = subprocess.run(
        [PROGRAM, *arguments], input=stdin, env=rowmill.env, cwd=rowmill.place, text=True, capture_output=True,
        timeout=DEADLINE, check=False,
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def connect(rowmill: Rowmill, url: str, *more: str, key: str = KEY) -> None:
    ended = typed(rowmill, f"{key}\n", "connections", "add", "acme", "--base-url", url, *more)
    assert ended.code == 0, ended


def run_words(*more: str) -> list[str]:
    words = ["run", "in.csv", "--prompt", "Say {{text}}", "--connection", "acme", "--model", "test"]
    return [*words, "-o", "out.csv", *more]


def holding(place: Path, text: str) -> list[str]:
    """The files below ``place`` in which ``text`` stands."""
    return [path.name for path in place.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_job_runs_by_the_name_of_its_connection_and_its_key_stands_nowhere(rowmill: Rowmill) -> None:
    rowmill.table(5)
    with ModelServer(key=KEY) as server:
        connect(rowmill, server.url)
        ended = rowmill.ok(*run_words("--json"))
        assert server.total == 5
    assert_done(rowmill.place / "out.csv", 5)
    shown = rowmill.ok("connections", "list", "--json")
    assert shown.json[0]["has_key"] is True
    assert KEY not in ended.stdout + ended.stderr + shown.stdout
    assert holding(rowmill.place, KEY) == []
    assert stat.S_IMODE((rowmill.home / "secret.key").stat().st_mode) == 0o600
    sealing = (rowmill.home / "secret.key").read_text().strip()
    assert holding(rowmill.home, sealing) == ["secret.key"]


def test_a_key_is_typed_unseen(rowmill: Rowmill) -> None:
    with ModelServer(key=KEY) as server:
        terminal = Terminal(rowmill, "connections", "add", "acme", "--base-url", server.url)
        try:
            terminal.wait_for("API key")
            terminal.type(f"{KEY}\n".encode())
            assert terminal.end() == 0
            assert KEY not in terminal.shown
        finally:
            terminal.close()
        assert "valid" in rowmill.ok("connections", "test", "acme").stdout


def test_a_lost_key_says_what_to_do_and_a_new_one_mends_it(rowmill: Rowmill) -> None:
    rowmill.table(2)
    with ModelServer(key=KEY) as server:
        connect(rowmill, server.url)
        kept = (rowmill.home / "secret.key").read_text()
        (rowmill.home / "secret.key").unlink()
        lost = rowmill.run(*run_words())
        assert lost.code == 3
        assert "secret.key" in lost.complaint
        assert "rowmill connections add NAME --replace" in lost.complaint
        assert (server.total, rowmill.jobs()) == (0, [])
        assert "valid" in rowmill.ok("connections", "test", "acme", ROWMILL_SECRET_KEY=kept).stdout
        assert typed(rowmill, KEY, "connections", "add", "acme", "--replace").code == 0
        rowmill.ok(*run_words())
    assert_done(rowmill.place / "out.csv", 2)


def test_a_refused_key_fails_the_job_and_a_changed_one_is_used_when_it_is_resumed(rowmill: Rowmill) -> None:
    rowmill.table(3)
    with ModelServer(key=KEY) as server:
        connect(rowmill, server.url, key="sk-old")
        assert rowmill.run(*run_words()).code == 3
        error = rowmill.show()["error"]
        assert (error["code"], error["hint"]) == (
            "key_refused",
            "Give it another: rowmill connections add acme --replace",
        )
        refused = rowmill.run("connections", "test", "acme")
        assert (refused.code, "refused: " in refused.stdout) == (3, True)
        kept = rowmill.run("connections", "remove", "acme")
        assert (kept.code, rowmill.show()["id"] in kept.complaint) == (2, True)
        assert typed(rowmill, KEY, "connections", "add", "acme", "--replace").code == 0
        rowmill.ok("resume", "last")
    assert_done(rowmill.place / "out.csv", 3)
    rowmill.ok("connections", "remove", "acme")


def test_the_limits_of_a_connection_hold_over_two_processes(rowmill: Rowmill) -> None:
    rows = 20
    called: list[float] = []

    def script(request: ChatRequest) -> Reply:
        called.append(time.monotonic())
        return Reply("ok")

    words = ("--prompt", "Say {{text}}", "--connection", "acme", "--model", "openai/test")
    with ModelServer(script=script) as server:
        connect(rowmill, server.url, "--rpm", "600")
        both = [
            rowmill.start("run", rowmill.table(rows, f"{name}.csv"), *words, "-o", f"{name}.out.csv")
            for name in ("a", "b")
        ]
        assert [process.end().code for process in both] == [0, 0]
    for name in ("a", "b"):
        assert_done(rowmill.place / f"{name}.out.csv", rows)
    assert called[-1] - called[0] >= (2 * rows - 1) / 10 - 0.6


def test_what_goes_wrong_with_a_connection_is_one_sentence(rowmill: Rowmill) -> None:
    rowmill.table(1)

    def complaint(*arguments: str) -> str:
        ended = rowmill.run(*arguments)
        assert ended.code == 2, ended
        return ended.complaint

    assert "There is no connection 'acme'" in complaint(*run_words())
    assert "There is no provider 'opnai'" in complaint("connections", "add", "acme", "--provider", "opnai")
    assert "No such option" in complaint("connections", "add", "acme", "--key", KEY)
    connect(rowmill, "http://127.0.0.1:9/v1")
    assert "A connection acme already exists" in complaint("connections", "add", "acme")
    assert "A connection says by itself" in complaint(*run_words("--base-url", "http://a/v1"))
    assert "reaches models of openai, not of local" in complaint(*run_words("--model", "local/smollm2"))
    assert rowmill.jobs() == []


def test_tokens_are_made_listed_and_revoked(rowmill: Rowmill) -> None:
    made = rowmill.ok("tokens", "create", "ci", "--scope", "run")
    clear = made.stdout.strip()
    assert clear.startswith("rm_")
    assert holding(rowmill.home, clear) == []
    (shown,) = rowmill.ok("tokens", "list", "--json").json
    assert (shown["name"], shown["scope"], shown["used_at"]) == ("ci", "run", None)
    assert clear not in rowmill.ok("tokens", "list").stdout
    rowmill.ok("tokens", "revoke", shown["id"][:8])
    assert rowmill.ok("tokens", "list", "--json").json == []
    assert rowmill.run("tokens", "revoke", "ci").code == 2
