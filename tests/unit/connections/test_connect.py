"""What a step's connection comes to when a job is opened."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from rowmill.connections.connect import meter_of, opened_config
from rowmill.connections.store import Connection, Connections, key_context
from rowmill.core.errors import NotFound, StoreError, UsageError
from rowmill.core.job import Job, JobDraft, Settings, Step
from rowmill.core.status import JobType
from rowmill.engine.engine import Engine, processor_of
from rowmill.ledger.store import Store
from rowmill.testing.simulation import EPOCH, SimulatedRuntime, simulate
from tests.support.engine import Player, done, job_of

KEY = "sk-very-secret-1234"
CONFIG = {"prompt": "Hi", "provider": "openai", "model": "small", "provider_config": {"connection": "acme"}}


def step(config: Mapping[str, Any] = CONFIG) -> Step:
    return Step("prompt", "prompt", dict(config), {"out": {"type": "string"}})


def connect(store: Store, key: str | None = KEY, **more: Any) -> Connection:
    made = Connection(
        **{
            "id": "conn_1",
            "name": "acme",
            "provider": "openai",
            "base_url": "http://a/v1",
            "rpm": None,
            "tpm": None,
            "revision": 1,
            "created_at": 0.0,
            **more,
            "secret": key and store.secrets.seal(key, "connection:conn_1"),
        }
    )
    assert key_context(made) == "connection:conn_1"
    Connections(store.database).add(made)
    return made


def job_over_acme(store: Store, rows: int, settings: Settings) -> Job:
    draft = JobDraft(
        type=JobType.ENRICHMENT,
        name="over acme",
        dataset=job_of(store, rows).dataset,
        selection=[(1, rows)],
        steps=[step()],
        settings=settings,
        identity="",
    )
    return store.browse.job(store.control.insert(draft, EPOCH))


def most_in_a_minute(moments: list[float]) -> int:
    return max(sum(start <= at < start + 60 for at in moments) for start in moments)


def test_a_step_without_a_connection_stays_as_it_is(store: Store) -> None:
    plain = step({**CONFIG, "provider_config": None})
    assert opened_config(store, plain) is plain.config


def test_the_key_is_there_in_memory_and_never_in_the_step(store: Store) -> None:
    connect(store)
    asked = step()
    opened = opened_config(store, asked)
    assert opened["provider_config"] == {"connection": "acme", "base_url": "http://a/v1", "api_key": KEY}
    assert asked.config == CONFIG
    processor_of(asked, store)


def test_a_changed_key_is_the_one_of_the_next_start(store: Store) -> None:
    made = connect(store)
    assert opened_config(store, step())["provider_config"]["api_key"] == KEY
    Connections(store.database).change("acme", {"secret": store.secrets.seal("sk-new", key_context(made))}, 1)
    assert opened_config(store, step())["provider_config"]["api_key"] == "sk-new"


def test_a_connection_that_is_gone_or_leads_elsewhere_is_told(store: Store) -> None:
    with pytest.raises(NotFound, match="The connection 'acme' does not exist any more"):
        processor_of(step(), store)
    connect(store, key=None, provider="local")
    with pytest.raises(UsageError, match="The connection acme now reaches models of local, not of openai"):
        processor_of(step(), store)


def test_a_lost_key_is_told(store: Store) -> None:
    connect(store)
    (store.files.parent / "secret.key").unlink()
    with pytest.raises(StoreError, match="is gone"):
        processor_of(step(), store)


def test_only_a_connection_with_limits_has_a_meter(store: Store) -> None:
    made = connect(store)
    assert meter_of(store, step()) is None
    Connections(store.database).change("acme", {"rpm": 60}, 1)
    meter = meter_of(store, step())
    assert meter
    assert (meter.key, meter.rpm, meter.tpm) == (key_context(made), 60, None)
    assert meter_of(store, step({})) is None


def test_the_limits_of_a_connection_hold_over_all_jobs_beside_their_own(store: Store) -> None:
    connect(store, rpm=120)
    jobs = [job_over_acme(store, 60, Settings(rpm=rpm)) for rpm in (None, None, 6)]
    players = [Player(done, key="key") for _ in jobs]

    async def main(runtime: SimulatedRuntime) -> None:
        engines = [Engine(store, store.join(), runtime) for _ in jobs]
        runs = (engine.run(job, [player]) for engine, job, player in zip(engines, jobs, players, strict=True))
        await asyncio.gather(*runs)

    simulate(main)
    moments = sorted(at for player in players for at, _ in player.calls)
    assert len(moments) == 180
    assert most_in_a_minute(moments) <= 120 + 1
    assert max(player.calls[-1][0] for player in players[:2]) < 75, "a slow job slows no other"
    assert most_in_a_minute([at for at, _ in players[2].calls]) <= 6
