from pathlib import Path
from typing import Any

import orjson
import pytest

from rowmill.cli.specs import run_spec
from rowmill.connections import service as connections
from rowmill.connections.store import Connections, key_context
from rowmill.core.errors import Busy, Conflict, NotFound, Outdated, UsageError
from rowmill.jobs.spec import PromptStep
from rowmill.jobs.submit.detach import check_detachable
from rowmill.jobs.submit.pricing import price_of
from rowmill.jobs.submit.steps import step_of
from rowmill.jobs.submit.submit import submit
from rowmill.ledger.store import Store

KEY = "sk-very-secret-1234"


def key_of(store: Store, name: str) -> str | None:
    there = connections.get(store, name)
    return there.secret and store.secrets.open(there.secret, key_context(there))


def test_a_connection_keeps_its_key_sealed_and_shows_only_that_there_is_one(store: Store) -> None:
    made = connections.add(store, "acme", "openai", base_url=" http://a/v1 ", key=f" {KEY}\n", rpm=60)
    assert connections.get(store, "acme") == made
    assert key_of(store, "acme") == KEY
    view = connections.connection_view(made)
    assert (view.base_url, view.has_key, view.rpm, view.tpm) == ("http://a/v1", True, 60, None)
    assert KEY not in repr(made) + repr(view)


def test_the_key_of_one_connection_is_none_of_another(store: Store) -> None:
    first = connections.add(store, "first", "openai", key=KEY)
    second = connections.add(store, "second", "openai")
    Connections(store.database).change("second", {"secret": first.secret}, second.revision)
    with pytest.raises(Exception, match="sealed with another key"):
        key_of(store, "second")


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", ".x", "é", "x" * 65, "a\n"])
def test_what_cannot_be_a_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a connection"):
        connections.add(store, name, "openai")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"provider": "opnai"}, "no provider 'opnai'. Did you mean 'openai'"),
        ({"base_url": "localhost:8000"}, "not an HTTP address"),
        ({"base_url": "file:///etc/passwd"}, "not an HTTP address"),
        ({"base_url": "http://[/v1"}, "not an HTTP address"),
        ({"base_url": "http://a/ b"}, "not an HTTP address"),
        ({"base_url": f"http://user:{KEY}@a/v1"}, "holds a user name"),
        ({"key": f"{KEY}\nsecond line"}, "several lines"),
        ({"key": "schlüssel"}, "characters that no key has"),
        ({"rpm": 0}, "rpm cannot be 0"),
        ({"tpm": -5}, "tpm cannot be -5"),
    ],
)
def test_what_cannot_work_is_refused_and_leaves_nothing(store: Store, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        connections.add(store, "acme", **{"provider": "openai", **given})
    assert said in str(refused.value)
    assert KEY not in str(refused.value)
    assert connections.every(store) == []


def test_a_name_is_taken_once_unless_it_is_the_same_connection_again(store: Store) -> None:
    made = connections.add(store, "acme", "openai", connection_id="conn_chosen")
    assert connections.add(store, "acme", "openai", connection_id="conn_chosen") == made
    with pytest.raises(Conflict, match="A connection acme already exists"):
        connections.add(store, "acme", "openai")
    with pytest.raises(Conflict):
        connections.check_new(store, "acme", "openai")


def test_an_update_changes_what_is_given_and_keeps_the_rest(store: Store) -> None:
    connections.add(store, "acme", "openai", base_url="http://a/v1", key=KEY, rpm=60, tpm=1000)
    changed = connections.update(store, "acme", {"rpm": None, "tpm": 500})
    assert changed == connections.get(store, "acme")
    assert (changed.base_url, changed.rpm, changed.tpm, changed.revision) == ("http://a/v1", None, 500, 2)
    assert key_of(store, "acme") == KEY
    connections.update(store, "acme", {"key": "sk-another"})
    assert key_of(store, "acme") == "sk-another"
    connections.update(store, "acme", {"key": None})
    assert key_of(store, "acme") is None


def test_a_key_never_goes_to_an_address_that_it_was_not_given_for(store: Store) -> None:
    connections.add(store, "acme", "openai", base_url="http://a/v1", key=KEY)
    with pytest.raises(Conflict, match="given for another address"):
        connections.update(store, "acme", {"base_url": "http://evil/v1"})
    connections.update(store, "acme", {"base_url": "http://a/v1", "rpm": 5})
    connections.update(store, "acme", {"base_url": "http://b/v1", "key": "sk-for-b"})
    assert (connections.get(store, "acme").base_url, key_of(store, "acme")) == ("http://b/v1", "sk-for-b")


def test_whoever_has_not_seen_the_last_change_changes_and_removes_nothing(store: Store) -> None:
    first = connections.add(store, "acme", "openai")
    second = connections.update(store, "acme", {"rpm": 5}, first.revision)
    with pytest.raises(Outdated, match="was changed in the meantime"):
        connections.update(store, "acme", {"rpm": 6}, first.revision)
    with pytest.raises(Outdated):
        connections.remove(store, "acme", first.revision)
    assert connections.get(store, "acme") == second
    connections.remove(store, "acme", second.revision)
    with pytest.raises(NotFound):
        connections.get(store, "acme")


def test_a_mistyped_name_is_told_with_the_nearest(store: Store) -> None:
    connections.add(store, "acme", "openai")
    with pytest.raises(NotFound, match="Did you mean 'acme'"):
        connections.get(store, "acmee")


def test_one_that_a_job_uses_is_kept_with_the_name_of_the_job(store: Store, engine: str, reviews: Path) -> None:
    connections.add(store, "acme", "openai", base_url="http://a/v1", key=KEY)
    request = run_spec(input_=str(reviews), prompt="{{Review}}", model="openai/small", connection="acme")
    job = submit(store, engine, request).job
    with pytest.raises(Busy, match=f"{job.id} uses the connection acme"):
        connections.remove(store, "acme")


def test_a_job_stores_the_name_of_its_connection_and_nothing_else_of_it(
    store: Store, engine: str, reviews: Path
) -> None:
    connections.add(store, "acme", "openai", base_url="http://a/v1", key=KEY)
    request = run_spec(input_=str(reviews), prompt="{{Review}}", model="openai/small", connection="acme")
    job = submit(store, engine, request).job
    assert job.steps[0].connection == "acme"
    assert job.steps[0].config["provider_config"] == {"connection": "acme"}
    stored = store.database.read("SELECT * FROM jobs")
    assert KEY not in orjson.dumps(stored).decode()


def test_the_same_run_over_another_connection_is_another_run(store: Store, engine: str, reviews: Path) -> None:
    for name in ("first", "second"):
        connections.add(store, name, "openai", base_url="http://a/v1")

    def job(connection: str) -> str:
        asked = run_spec(input_=str(reviews), prompt="{{Review}}", model="openai/small", connection=connection)
        return submit(store, engine, asked).job.id

    assert job("first") == job("first") != job("second")


@pytest.mark.parametrize("model", ["small", "openai/small"])
def test_a_model_over_a_connection_needs_no_provider(store: Store, model: str) -> None:
    connections.add(store, "acme", "openai")
    assert connections.qualified(store, "acme", model) == "openai/small"


def test_a_model_may_have_slashes_of_its_own_but_not_another_provider(store: Store) -> None:
    connections.add(store, "acme", "openai")
    assert connections.qualified(store, "acme", "meta-llama/Llama-4") == "openai/meta-llama/Llama-4"
    with pytest.raises(UsageError, match="reaches models of openai, not of local"):
        connections.qualified(store, "acme", "local/smollm2")
    assert connections.qualified(store, None, "local/smollm2") == "local/smollm2"
    with pytest.raises(NotFound):
        connections.qualified(store, "nowhere", "small")


@pytest.mark.parametrize(
    "more", [{"base_url": "http://a/v1"}, {"api_key_env": "KEY"}, {"processor": "a:b"}, {"url": "http://a"}]
)
def test_a_connection_goes_with_no_other_way_to_a_model(more: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"connection": "acme", **more}
    if not more.keys() & {"processor", "url"}:
        asked |= {"prompt": "Hi", "model": "openai/small"}
    with pytest.raises(UsageError, match="A connection says by itself"):
        run_spec(input_="a.csv", **asked)


def test_a_job_over_a_connection_can_be_left_to_another_process(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    connections.add(store, "acme", "openai")
    with pytest.raises(UsageError, match="exists only in this shell"):
        check_detachable(step_of(store, PromptStep(prompt="Hi", model="openai/small", outputs={})))
    over = PromptStep(prompt="Hi", model="openai/small", connection="acme", outputs={})
    check_detachable(step_of(store, over))


def test_the_price_is_that_of_the_connections_address(store: Store) -> None:
    connections.add(store, "openai", "openai", key=KEY)
    connections.add(store, "ours", "openai", base_url="http://models.internal/v1")

    def known(connection: str) -> bool:
        step = PromptStep(prompt="Hi", model="openai/gpt-4o-mini", connection=connection, outputs={})
        return price_of(store, step_of(store, step)) is not None

    assert known("openai")
    assert not known("ours")
