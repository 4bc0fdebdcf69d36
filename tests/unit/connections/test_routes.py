from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rowmill.core.access import Access
from rowmill.ledger.store import Store
from rowmill.testing import ModelServer
from tests.support.serving import Api

CONNECTIONS = "/v1/connections"
ACME = f"{CONNECTIONS}/acme"
KEY = "sk-very-secret-1234"
URL = "http://models.example.com/v1"


def create(api: Api, **more: Any) -> dict[str, Any]:
    answer = api.post(CONNECTIONS, {"name": "acme", "base_url": URL, "key": KEY, **more})
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.json
    return made


def test_a_key_goes_in_and_never_comes_out(api: Api, store: Store) -> None:
    answer = api.post(CONNECTIONS, {"name": "acme", "base_url": URL, "key": KEY, "rpm": 60})
    assert (answer.status, answer.headers["location"]) == (201, ACME)
    made = answer.json
    assert (made["provider"], made["base_url"], made["has_key"], made["rpm"], made["tpm"]) == (
        "openai", URL, True, 60, None,
    )  # fmt: skip
    shown = api.get(ACME)
    assert (shown.json, shown.headers["etag"]) == (made, answer.headers["etag"])
    assert api.every(CONNECTIONS) == [made]
    for each in (answer, shown, api.get(CONNECTIONS), api.patch(ACME, {"rpm": None})):
        assert KEY.encode() not in each.content
    assert KEY not in str(store.database.read("SELECT * FROM connections"))


def test_a_change_needs_the_version_that_was_seen(api: Api) -> None:
    create(api)
    first = api.get(ACME).headers["etag"]
    changed = api.patch(ACME, {"rpm": 5}, headers={"If-Match": first})
    assert (changed.status, changed.json["rpm"]) == (200, 5)
    assert changed.headers["etag"] != first
    assert api.patch(ACME, {"rpm": 6}, headers={"If-Match": first}).code == "precondition_failed"
    assert api.delete(ACME, headers={"If-Match": first}).code == "precondition_failed"
    assert api.patch(ACME, {"rpm": None, "tpm": 7}).json["tpm"] == 7
    assert api.delete(ACME, headers={"If-Match": api.get(ACME).headers["etag"]}).status == 204
    assert api.get(ACME).code == "not_found"


def test_a_key_is_not_sent_to_another_address_than_it_was_given_for(api: Api) -> None:
    create(api)
    assert api.patch(ACME, {"base_url": "http://evil.example.com/v1"}).code == "conflict"
    assert api.get(ACME).json["base_url"] == URL
    assert api.patch(ACME, {"base_url": "http://evil.example.com/v1", "key": None}).json["has_key"] is False


def test_a_name_is_taken_once_and_the_same_request_again_is_the_same(api: Api) -> None:
    asked = {"name": "acme", "key": KEY}
    first, again = (api.post(CONNECTIONS, asked, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert first.json == again.json
    assert api.post(CONNECTIONS, asked).code == "conflict"
    assert len(api.every(CONNECTIONS)) == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"name": "a b"}, "invalid_request"),
        ({"base_url": f"http://user:{KEY}@a/v1"}, "invalid_request"),
        ({"base_url": "file:///etc/passwd"}, "invalid_request"),
        ({"key": f"{KEY}\n"}, "invalid_request"),
        ({"key": ""}, "invalid_request"),
        ({"rpm": 0}, "invalid_request"),
        ({"secret": KEY}, "invalid_request"),
        ({"provider": "nobody"}, "not_found"),
    ],
)
def test_what_cannot_work_is_refused_without_repeating_it(api: Api, more: dict[str, Any], code: str) -> None:
    answer = api.post(CONNECTIONS, {"name": "acme", **more})
    assert answer.code == code
    assert KEY.encode() not in answer.content
    assert api.every(CONNECTIONS) == []


def test_a_secret_key_that_others_can_read_is_the_servers_fault_and_no_path_is_told(api: Api, home: Path) -> None:
    create(api)
    (home / "secret.key").chmod(0o644)
    answer = api.post(CONNECTIONS, {"name": "another", "key": KEY})
    assert (answer.status, answer.code) == (503, "store")
    assert "chmod 600 secret.key" in answer.json["hint"]
    assert str(home).encode() not in answer.content


def test_who_may_read_sees_connections_and_changes_none(guarded: Api, token: Callable[[Access], str]) -> None:
    create(guarded)
    for scope in (Access.READ, Access.RUN):
        bearer = guarded.with_token(token(scope))
        assert bearer.get(ACME).status == 200
        assert len(bearer.every(CONNECTIONS)) == 1
        refused = [bearer.patch(ACME, {"rpm": 5}), bearer.delete(ACME), bearer.post(f"{ACME}/test")]
        refused.append(bearer.post(CONNECTIONS, {"name": "mine"}))
        assert {each.code for each in refused} == {"forbidden"}


def test_a_connection_is_tried_with_and_without_a_model(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ModelServer(key=KEY) as server:
        create(api, base_url=server.url)
        assert api.post(f"{ACME}/test").json["outcome"] == "valid"
        assert server.total == 0
        assert api.post(f"{ACME}/test", {"model": "small"}).json["outcome"] == "valid"
        assert server.total == 1
        api.patch(ACME, {"key": "another"})
        refused = api.post(f"{ACME}/test").json
    assert refused["outcome"] == "refused"
    assert "refused the key of the connection acme" in refused["message"]
    assert api.post(f"{CONNECTIONS}/nowhere/test").code == "not_found"


@pytest.mark.parametrize("model", ["/etc/passwd.gguf", "local//etc/passwd.gguf", "/etc/passwd.GGUF"])
def test_no_file_of_the_server_is_taken_for_a_model(api: Api, model: str) -> None:
    create(api, name="here", provider="local", base_url=None, key=None)
    assert api.post(f"{CONNECTIONS}/here/test", {"model": model}).code == "server_file"
    step = {"prompt": "{{text}}", "model": model, "connection": "here"}
    job = api.post("/v1/jobs", {"type": "enrichment", "rows": [{"text": "a"}], "steps": [step]})
    assert job.code == "server_file"


def test_one_that_a_job_uses_is_kept_with_the_name_of_the_job(api: Api) -> None:
    create(api)
    step = {"prompt": "{{text}}", "model": "small", "connection": "acme"}
    job = api.post("/v1/jobs", {"type": "enrichment", "rows": [{"text": "a"}], "steps": [step]})
    assert job.status == 201, job
    assert job.json["steps"][0]["config"]["provider_config"] == {"connection": "acme"}
    assert KEY.encode() not in job.content
    refused = api.delete(ACME)
    assert (refused.code, job.json["id"] in refused.json["detail"]) == ("busy", True)
    assert api.post(f"/v1/jobs/{job.json['id']}/cancel").status == 200
    assert api.delete(ACME).status == 204
