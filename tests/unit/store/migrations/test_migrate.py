import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine

from rowmill.core.commit import Chunk
from rowmill.core.errors import StoreError
from rowmill.core.money import Price
from rowmill.db.sqlite.database import SQLiteDatabase
from rowmill.ledger.opening import HEAD, open_store
from rowmill.store import migrations
from rowmill.store.tables import metadata
from rowmill.tables.schema import Schema


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Connection]:
    open_store(tmp_path).close()
    engine = create_engine(f"sqlite:///{tmp_path}/rowmill.db")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def declared() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _schema(connection: Connection) -> dict[str, set[str]]:
    """What was said to make each table and index, as a set: the order in which it is said means nothing here."""
    found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    pieces = {name: re.split(r"[,()\n]\s*", sql.replace('"', "")) for name, sql in found}
    return {
        name: {re.sub(r"\s+", " ", piece).strip() for piece in said}
        for name, said in pieces.items()
        if not name.startswith(("alembic_", "sqlite_"))
    }


def test_a_migrated_store_has_all_that_is_declared_and_nothing_else(migrated: Connection) -> None:
    assert compare_metadata(MigrationContext.configure(migrated, opts={"compare_type": True}), metadata) == []


def test_all_that_a_migrated_store_has_is_declared(migrated: Connection, declared: Connection) -> None:
    found = MetaData()
    found.reflect(migrated)
    found.remove(found.tables["alembic_version"])
    context = MigrationContext.configure(declared, opts={"compare_type": True})
    assert compare_metadata(context, found) == []


def test_both_are_made_alike_down_to_what_alembic_does_not_compare(migrated: Connection, declared: Connection) -> None:
    assert _schema(migrated) == _schema(declared)


def test_the_newest_script_is_the_one_that_opening_asks_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def _store_at(revision: str, home: Path) -> sqlite3.Connection:
    config = Config()
    config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    engine = create_engine(f"sqlite:///{home}/rowmill.db")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    engine.dispose()
    return sqlite3.connect(home / "rowmill.db")


@pytest.fixture
def at_0001(tmp_path: Path) -> sqlite3.Connection:
    """A store as the first release made it, still without any line."""
    return _store_at("0001", tmp_path)


@pytest.fixture
def at_0002(tmp_path: Path) -> sqlite3.Connection:
    """A store as the second release made it, still without any line."""
    return _store_at("0002", tmp_path)


def _fill(connection: sqlite3.Connection, table: str, **values: object) -> None:
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", list(values.values()))


def test_jobs_and_records_of_the_first_release_go_on(tmp_path: Path, at_0001: sqlite3.Connection) -> None:
    with at_0001 as old:
        _fill(old, "datasets", id="ds_1", name="a.csv", columns='["n"]', rows=3, content_hash="csv:1", created_at=1.0)
        for number in (1, 2, 3):
            _fill(old, "records", dataset=1, number=number, data=f'["{number}"]')
        none = dict.fromkeys(("generation", "skipped", "uncertain", "tokens_in", "tokens_out", "cost"), 0)
        spec = (
            '{"steps":[{"name":"s","processor":"python","config":{},"outputs":{"mood":{}}}],"price":null,"output":null}'
        )
        _fill(
            old, "jobs", id="job_1", type="enrichment", name="a.csv", status="paused", pause_reason="user", dismissed=0,
            touched_only=0, identity="i", spec=spec, settings="{}", dataset=1, first_record=1, seq=4, total=3,
            succeeded=1, failed=1, created_at=1.0, **none,
        )  # fmt: skip
        tried = {
            "step": 0,
            "attempt": 1,
            "started_at": 1.0,
            "duration": 0.1,
            "tokens_in": 0,
            "tokens_out": 0,
            "cost": 0,
        }
        _fill(old, "outcomes", job=1, number=1, seq=1, status="succeeded", output='{"mood":"good"}', **tried)
        _fill(old, "outcomes", job=1, number=2, seq=2, status="failed", code="timeout", message="Late.", **tried)
        _fill(old, "chunks", job=1, hi=3, lo=3)
    at_0001.close()

    store = open_store(tmp_path)
    assert store.database.version() == HEAD  # type: ignore[attr-defined]
    job = store.browse.find_job("job_1")
    assert (job.counts.succeeded, job.counts.failed, job.counts.unprocessed, job.revision) == (1, 1, 1, 1)
    rows = store.browse.rows(job.pk, 1, 3)
    assert [(row.status.value, row.values, row.output) for row in rows] == [
        ("succeeded", ["1"], {"mood": "good"}),
        ("failed", ["2"], None),
        ("pending", ["3"], None),
    ]
    dataset = store.datasets.get(job.dataset)
    assert (dataset.named, dataset.revision, dataset.schema) == (False, 1, Schema())
    assert store.datasets.find("csv:1") == dataset
    store.purge()
    assert store.control.retry(job.pk, 2.0) == 1
    claim = store.ledger.claim(job.pk, store.join(), 2.0)
    assert [due.task.number for due in store.ledger.backlog(claim, (-1.0, 0), 10)] == [2]
    assert store.ledger.take_chunk(claim) == Chunk(3, 3)
    assert store.database.check() is None
    store.close()


def test_the_price_of_a_job_becomes_that_of_its_step(tmp_path: Path, at_0002: sqlite3.Connection) -> None:
    with at_0002 as old:
        _fill(old, "datasets", id="ds_1", name="a.csv", columns='["n"]', rows=1, content_hash="csv:1", created_at=1.0)
        none = dict.fromkeys(("generation", "skipped", "uncertain", "tokens_in", "tokens_out", "cost", "seq"), 0)
        step = '{"name":"s","processor":"prompt","config":{"provider":"openai","model":"m"},"outputs":{"mood":{}}}'
        for number, price in enumerate(['{"tokens_in":5,"tokens_out":7}', "null"], 1):
            _fill(
                old, "jobs", id=f"job_{number}", type="enrichment", name="a.csv", status="paused", pause_reason="user",
                dismissed=0, touched_only=0, identity="i", settings="{}", dataset=1, first_record=1, total=1,
                spec=f'{{"steps":[{step}],"price":{price},"output":null}}', succeeded=0, failed=0, created_at=1.0,
                **none,
            )  # fmt: skip
        _fill(old, "engines", id="eng_1", pid=1, joined_at=1.0)
        _fill(old, "claims", job=1, generation=1, engine="eng_1")
    at_0002.close()

    store = open_store(tmp_path)
    priced, unpriced = (store.browse.job(pk) for pk in (1, 2))
    assert [step.price for step in priced.steps] == [Price(5, 7)]
    assert (priced.priced, unpriced.priced, unpriced.steps[0].price) == (True, False, None)
    assert "price" not in orjson.loads(store.database.read("SELECT spec FROM jobs WHERE pk = 1")[0][0])
    assert store.database.read("SELECT held_rows, held_cost FROM claims") == [(0, 0)]
    assert (priced.metadata, priced.file, priced.detached) == ({}, None, False)
    store.close()


def test_a_migrated_store_of_the_second_release_is_made_like_a_new_one(
    tmp_path: Path, at_0002: sqlite3.Connection, declared: Connection
) -> None:
    at_0002.close()
    open_store(tmp_path).close()
    engine = create_engine(f"sqlite:///{tmp_path}/rowmill.db")
    with engine.connect() as connection:
        assert _schema(connection) == _schema(declared)
    engine.dispose()


def test_a_migrated_store_of_the_first_release_is_made_like_a_new_one(
    tmp_path: Path, at_0001: sqlite3.Connection, declared: Connection
) -> None:
    at_0001.close()
    open_store(tmp_path).close()
    engine = create_engine(f"sqlite:///{tmp_path}/rowmill.db")
    with engine.connect() as connection:
        assert _schema(connection) == _schema(declared)
    engine.dispose()


def _tables(home: Path) -> list[str]:
    with sqlite3.connect(home / "rowmill.db") as connection:
        return [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master ORDER BY name")]


def _break_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """No migration can make the table ``spans``, which comes after others."""
    alone = SQLiteDatabase.alone

    def refuse(action: int, name: str | None, *_: object) -> int:
        broken = (action, name) == (sqlite3.SQLITE_CREATE_TABLE, "spans")
        return sqlite3.SQLITE_DENY if broken else sqlite3.SQLITE_OK

    @contextmanager
    def broken(self: SQLiteDatabase) -> Iterator[sqlite3.Connection]:
        with alone(self) as connection:
            connection.set_authorizer(refuse)
            yield connection

    monkeypatch.setattr(SQLiteDatabase, "alone", broken)


def test_a_migration_that_fails_leaves_nothing_and_the_next_makes_the_store_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        _break_off(patched)
        with pytest.raises(StoreError, match="could not be brought up to date: not authorized"):
            open_store(tmp_path)
    assert _tables(tmp_path) == []
    store = open_store(tmp_path)
    assert store.database.check() is None
    store.close()


def test_a_failed_migration_leaves_a_store_of_the_first_release_as_it_was(
    tmp_path: Path, at_0001: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_0001.close()
    before = _tables(tmp_path)
    with monkeypatch.context() as patched:
        _break_off(patched)
        with pytest.raises(StoreError):
            open_store(tmp_path)
    assert _tables(tmp_path) == before
    open_store(tmp_path).close()


_KILLED = """
import os, sqlite3, sys
from pathlib import Path
from rowmill.ledger.opening import open_store

connect = sqlite3.connect

def traced(*args, **kwargs):
    connection = connect(*args, **kwargs)
    connection.set_trace_callback(lambda sql: os._exit(9) if "CREATE TABLE spans" in sql else None)
    return connection

sqlite3.connect = traced
open_store(Path(sys.argv[1]))
"""


def test_a_migration_that_is_killed_leaves_nothing_and_the_next_makes_the_store_whole(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False)
    assert ended.returncode == 9
    assert _tables(tmp_path) == []
    store = open_store(tmp_path)
    assert store.database.check() is None
    store.close()
