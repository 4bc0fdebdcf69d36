"""Trying connections, against real servers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rowmill.connections import check as connection_check
from rowmill.connections import service as connections
from rowmill.connections.check import check_connection
from rowmill.core.errors import NotFound, StoreError
from rowmill.ledger.opening import default_home
from rowmill.ledger.store import Store
from rowmill.shapes.connections import ConnectionTest, Verdict
from rowmill.testing import ModelServer, Reply

KEY = "sk-very-secret-1234"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def checked(store: Store, url: str, model: str | None = None, key: str | None = KEY) -> ConnectionTest:
    connections.add(store, "acme", "openai", base_url=url, key=key)
    return check_connection(store, "acme", model)


def answering(status: int, code: str | None = None, **headers: str) -> Reply:
    return Reply(status=status, body={"error": {"message": "No.", "code": code}}, headers=headers)


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def test_a_key_that_is_taken_is_valid_without_a_call(store: Store) -> None:
    with ModelServer(key=KEY) as server:
        assert checked(store, server.url).outcome is Verdict.VALID
        assert server.total == 0


def test_a_key_that_is_refused_is_told_without_showing_it(store: Store) -> None:
    with ModelServer(key="another") as server:
        found = checked(store, server.url)
    assert found.outcome is Verdict.REFUSED
    assert "refused the key of the connection acme" in found.message
    assert "rowmill connections add acme --replace" in found.message
    assert KEY not in found.message


def test_a_missing_key_is_told(store: Store) -> None:
    with ModelServer(key=KEY) as server:
        found = checked(store, server.url, key=None)
    assert (found.outcome, "none was sent" in found.message) == (Verdict.REFUSED, True)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply("H", finish_reason="length"), Verdict.VALID),
        (Reply("Hello"), Verdict.VALID),
        (answering(400), Verdict.VALID),
        (answering(429), Verdict.VALID),
        (answering(429, "insufficient_quota"), Verdict.NO_CREDIT),
        (answering(402), Verdict.NO_CREDIT),
        (answering(403), Verdict.REFUSED),
        (answering(404, "model_not_found"), Verdict.UNKNOWN_MODEL),
        (answering(500), Verdict.UNREACHABLE),
        (Reply(status=302, headers={"Location": "http://elsewhere/"}), Verdict.UNREACHABLE),
        (Reply(body=b"<html>Welcome</html>"), Verdict.UNREACHABLE),
        (Reply(drop=True), Verdict.UNREACHABLE),
    ],
)
def test_what_a_model_answers_is_told_apart(store: Store, reply: Reply, outcome: Verdict) -> None:
    with ModelServer(script=[reply]) as server:
        found = checked(store, server.url, "small")
        assert server.total == 1
    assert found.outcome is outcome
    assert found.message


def test_nobody_there_is_unreachable(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = checked(store, f"http://127.0.0.1:{port}/v1")
    assert (found.outcome, "Connection refused" in found.message) == (Verdict.UNREACHABLE, True)


def test_a_web_server_without_models_is_no_provider(store: Store, tmp_path: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        found = checked(store, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert found.outcome is Verdict.UNREACHABLE
    assert "has no list of models (404). See whether the base URL should end in /v1" in found.message


def test_a_server_that_never_answers_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_check, "_PATIENCE", 0.05)
    with silent_server() as url:
        found = checked(store, url)
    assert (found.outcome, "did not answer" in found.message) == (Verdict.UNREACHABLE, True)


def test_openai_itself_without_a_key_is_refused_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    connections.add(store, "acme", "openai")
    found = check_connection(store, "acme")
    assert (found.outcome, "the connection acme has none" in found.message) == (Verdict.REFUSED, True)


def test_the_embedded_model_is_tried_by_loading_it(store: Store) -> None:
    connections.add(store, "here", "local")
    assert check_connection(store, "here", "smollm2").outcome is Verdict.VALID
    assert check_connection(store, "here", "gpt-5").outcome is Verdict.UNKNOWN_MODEL


def test_a_lost_key_and_an_unknown_connection_are_errors(store: Store) -> None:
    connections.add(store, "acme", "openai", key=KEY)
    (default_home() / "secret.key").unlink()
    with pytest.raises(StoreError, match="is gone"):
        check_connection(store, "acme")
    with pytest.raises(NotFound):
        check_connection(store, "nowhere")


def test_it_may_be_asked_from_any_thread(store: Store) -> None:
    found: list[ConnectionTest] = []
    with ModelServer() as server:
        thread = threading.Thread(target=lambda: found.append(checked(store, server.url)))
        thread.start()
        thread.join()
    assert [each.outcome for each in found] == [Verdict.VALID]
