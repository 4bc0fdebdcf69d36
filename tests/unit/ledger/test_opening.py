import stat
from pathlib import Path

import pytest

from rowmill.core.errors import StoreError, UsageError
from rowmill.ledger.opening import default_home, open_store
from tests.support.processes import Processes

OPEN = """
say("ready")
sys.stdin.readline()
store = open_store(home)
store.leave(store.join())
say("opened")
"""
OPEN_AND_SAY_WHICH_MIGRATIONS_ARE_READ = """
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
open_store(home).close()
say([path for path in opened if path.endswith(".sql")])
"""


def test_the_home_is_the_variable_or_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROWMILL_HOME", str(tmp_path))
    assert default_home() == tmp_path
    monkeypatch.setenv("ROWMILL_HOME", "")
    assert default_home() == Path.home() / ".rowmill"


def test_a_fresh_store_is_made_where_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROWMILL_HOME", str(tmp_path / "a" / "b"))
    store = open_store()
    assert store.browse.jobs() == []
    store.close()


def test_a_home_that_is_made_is_its_owners_alone_and_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    for name in ("made", "there"):
        open_store(tmp_path / name).close()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("made", "there")]
    assert [f"{mode:o}" for mode in modes] == ["700", "755"]


def test_a_store_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWMILL_STORE", "postgresql://db/rowmill")
    with pytest.raises(UsageError, match="ROWMILL_STORE is set"):
        open_store()


def test_a_place_that_cannot_hold_a_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot hold a store: ") as caught:
        open_store(tmp_path / "file")
    assert caught.value.hint == "Set ROWMILL_HOME to another place."


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.database.transaction() as tx:
        tx.execute("PRAGMA user_version = 9999")
    store.close()
    with pytest.raises(StoreError, match="newer version"):
        open_store(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rowmill.db").write_bytes(b"This is no database. " * 1000)
    with pytest.raises(StoreError, match="not a database"):
        open_store(tmp_path)


def test_two_processes_may_open_a_fresh_store_at_once(processes: Processes) -> None:
    both = [processes.start(OPEN) for _ in range(2)]
    assert [process.hear() for process in both] == ["ready", "ready"]
    for process in both:
        process.tell()
    assert [process.hear() for process in both] == ["opened", "opened"]


def test_a_store_that_is_up_to_date_opens_without_reading_a_migration(tmp_path: Path, processes: Processes) -> None:
    first, second = (processes.start(OPEN_AND_SAY_WHICH_MIGRATIONS_ARE_READ).hear() for _ in range(2))
    assert "0001_initial.sql" in first
    assert second == "[]"
