import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

import pytest

from rowmill.core.errors import StoreError
from rowmill.db.sqlite.database import SQLiteDatabase
from rowmill.db.sqlite.maintenance import SQLiteMaintenance
from rowmill.db.sqlite.presence import SQLitePresence
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store


def _maintenance(store: Store, **sizes: int) -> SQLiteMaintenance:
    return SQLiteMaintenance(cast("SQLiteDatabase", store.database), cast("SQLitePresence", store.presence), **sizes)


def _write(store: Store, name: str, size: int = 0) -> None:
    with store.database.transaction() as tx:
        tx.execute("INSERT INTO engines VALUES (?, 1, 1.0)", (name + "x" * size,))


def _write_much(store: Store) -> None:
    with store.database.transaction() as tx:
        for number in range(1000):
            tx.execute("INSERT INTO engines VALUES (?, 1, 1.0)", (f"{number}" * 500,))


def _remove_all(store: Store) -> None:
    with store.database.transaction() as tx:
        tx.execute("DELETE FROM engines")


def _names(store: Store) -> list[str]:
    return [name for (name,) in store.database.read("SELECT id FROM engines ORDER BY id")]


@contextmanager
def _other_reader(home: Path) -> Iterator[None]:
    """Some other program that keeps a read transaction open."""
    reader = sqlite3.connect(home / "rowmill.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM engines").fetchone()
    yield
    reader.close()


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(40):
        _write(store, f"{number}", size=2000)
    store.close()
    with (tmp_path / "rowmill.db").open("r+b") as file:
        file.seek(-20_000, 2)
        file.write(b"\xff" * 20_000)
    store = open_store(tmp_path)
    try:
        found = store.maintenance.check()
    except StoreError as error:
        found = str(error)
    finally:
        store.close()
    assert found


def test_the_log_is_emptied_once_it_has_grown(tmp_path: Path, store: Store) -> None:
    maintenance = _maintenance(store, checkpoint_bytes=1_000_000)
    log = tmp_path / "rowmill.db-wal"
    maintenance.maintain()
    assert log.stat().st_size > 0
    for number in range(100):
        _write(store, f"{number}", size=16_000)
    assert log.stat().st_size > 1_000_000
    maintenance.maintain()
    assert log.stat().st_size == 0
    assert len(_names(store)) == 100


def test_a_reader_in_the_way_of_a_checkpoint_is_not_waited_for(tmp_path: Path, store: Store) -> None:
    maintenance = _maintenance(store, checkpoint_bytes=1_000_000)
    log = tmp_path / "rowmill.db-wal"
    with _other_reader(tmp_path):
        for number in range(100):
            _write(store, f"{number}", size=16_000)
        began = time.monotonic()
        maintenance.maintain()
        assert time.monotonic() - began < 15  # the busy timeout of an ordinary statement
        assert log.stat().st_size > 1_000_000
    for number in range(100, 200):
        _write(store, f"{number}", size=16_000)
    maintenance.maintain()
    assert log.stat().st_size == 0


def test_space_is_given_back_a_little_at_a_time(tmp_path: Path, store: Store) -> None:
    maintenance = _maintenance(store, shrink_pages=10)
    _write_much(store)
    maintenance.shrink()
    before = maintenance.size()
    _remove_all(store)
    maintenance.shrink()
    assert store.database.read("PRAGMA freelist_count") == [(0,)]
    assert before - maintenance.size() > 1_000_000
    assert (tmp_path / "rowmill.db").stat().st_size <= maintenance.size()


@pytest.fixture
def made_before(tmp_path: Path) -> Path:
    """A store whose file was made before it could give space back, with much in it that was removed."""
    with closing(sqlite3.connect(tmp_path / "rowmill.db")) as old:
        old.execute("PRAGMA auto_vacuum = NONE")
        old.execute("VACUUM")
        old.execute("CREATE TABLE old (text)")
        old.execute("DROP TABLE old")
    store = open_store(tmp_path)
    assert store.database.read("PRAGMA auto_vacuum") == [(0,)]
    _write_much(store)
    _remove_all(store)
    store.close()
    return tmp_path


def test_a_store_that_could_not_give_space_back_is_rebuilt_once(made_before: Path) -> None:
    store = open_store(made_before)
    before = store.maintenance.size()
    store.maintenance.shrink()
    assert before - store.maintenance.size() > 1_000_000
    assert store.maintenance.check() is None
    store.close()
    store = open_store(made_before)
    assert store.database.read("PRAGMA auto_vacuum") == [(2,)]
    _write_much(store)
    _remove_all(store)
    store.maintenance.shrink()
    assert store.database.read("PRAGMA freelist_count") == [(0,)]
    store.close()


def test_a_store_is_not_rebuilt_under_a_living_engine(made_before: Path) -> None:
    store = open_store(made_before)
    engine = store.join()
    before = store.maintenance.size()
    store.maintenance.shrink()
    assert store.maintenance.size() >= before
    assert store.database.read("PRAGMA auto_vacuum") == [(0,)]
    store.leave(engine)
    store.maintenance.shrink()
    assert store.maintenance.size() < before
    store.close()
