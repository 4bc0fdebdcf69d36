import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine

from rowmill.store import migrations
from rowmill.store.opening import HEAD, open_store
from rowmill.store.tables import metadata


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
