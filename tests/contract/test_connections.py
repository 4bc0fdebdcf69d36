from dataclasses import replace

import pytest

from rowmill.connections.store import Connection, Connections
from rowmill.core.errors import Busy
from rowmill.core.job import JobDraft, Settings, Step
from rowmill.core.status import Action, JobType
from rowmill.ledger.store import Store

from .bench import NOW, Bench

ACME = Connection("conn_1", "acme", "openai", "http://a/v1", "sealed", 60, None, 1, NOW)


def job_over(bench: Bench, connection: str) -> int:
    step = Step("prompt", "prompt", {"provider_config": {"connection": connection}}, {"mood": {}})
    draft = JobDraft(
        type=JobType.ENRICHMENT,
        name="reviews.csv",
        dataset=bench.dataset(),
        selection=[(1, 1)],
        steps=[Step("python", "python", {}, {"first": {}}), step],
        settings=Settings(),
        identity="identity",
    )
    return bench.control.insert(draft, NOW)


def test_a_connection_is_there_under_its_name_in_every_process(store: Store, other: Store) -> None:
    assert Connections(store.database).add(ACME)
    assert Connections(other.database).named("acme") == ACME
    assert Connections(other.database).named("Acme") is None
    assert "sealed" not in repr(ACME)


def test_a_name_is_given_once(store: Store, other: Store) -> None:
    Connections(store.database).add(ACME)
    assert not Connections(other.database).add(replace(ACME, id="conn_2", rpm=5))
    assert Connections(store.database).named("acme") == ACME


def test_connections_come_page_by_page_by_name(store: Store) -> None:
    for name in ("c", "a", "b"):
        Connections(store.database).add(replace(ACME, id=f"conn_{name}", name=name))
    first = Connections(store.database).page(limit=2)
    assert [each.name for each in first + Connections(store.database).page(first[-1].name)] == ["a", "b", "c"]


def test_a_change_is_made_only_to_the_revision_that_was_seen(store: Store, other: Store) -> None:
    Connections(store.database).add(ACME)
    assert Connections(store.database).change("acme", {"rpm": None, "secret": "another"}, 1)
    assert not Connections(other.database).change("acme", {"base_url": "http://b/v1"}, 1)
    assert Connections(other.database).named("acme") == replace(ACME, rpm=None, secret="another", revision=2)
    assert not Connections(other.database).remove("acme", 1)
    assert Connections(other.database).remove("acme", 2)
    assert Connections(store.database).named("acme") is None


def test_one_that_a_job_uses_which_may_go_on_is_kept(bench: Bench) -> None:
    connections = Connections(bench.store.database)
    connections.add(ACME)
    connections.add(replace(ACME, id="conn_2", name="ACME"))
    job = job_over(bench, "acme")
    id_ = bench.browse.job(job).id
    assert connections.remove("ACME", 1)
    with pytest.raises(Busy, match=f"{id_} uses the connection acme"):
        connections.remove("acme", 1)
    claim = bench.claim(job)
    bench.control.pause(job, NOW)
    with pytest.raises(Busy, match=id_):
        connections.remove("acme", 1)
    assert bench.ledger.finish(claim, Action.PAUSE, NOW)
    with pytest.raises(Busy, match=id_):
        connections.remove("acme", 1)
    bench.control.cancel(job, NOW)
    assert connections.remove("acme", 1)
