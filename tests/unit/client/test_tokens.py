"""Tokens: a server that has one requires one."""

from pathlib import Path

import pytest

from rowmill.client import Client, Forbidden, Unauthorized

from .conftest import server


def test_a_server_with_tokens_requires_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as url:
        admin = Client(url).tokens.create("admin", "admin")
        with Client(url) as nobody, pytest.raises(Unauthorized) as refused:
            nobody.workers.list().__next__()
        assert refused.value.code == "unauthorized"
        with Client(url, admin.token) as client:
            reader = client.tokens.create("reader", "read")
            assert sorted(token.name for token in client.tokens.list()) == ["admin", "reader"]
        monkeypatch.setenv("ROWMILL_URL", url)
        monkeypatch.setenv("ROWMILL_TOKEN", reader.token)
        with Client() as client:
            assert list(client.jobs.list()) == []
            with pytest.raises(Forbidden):
                client.jobs.create([{"a": 1}], prompt="?", model="openai/x")
        with Client(token=admin.token) as client:
            client.tokens.revoke(reader.id)
            assert [token.name for token in client.tokens.list()] == ["admin"]
