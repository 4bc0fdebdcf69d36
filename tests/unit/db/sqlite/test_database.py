import fcntl
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import pytest

from rowmill.core.errors import StoreError
from rowmill.db.sqlite import database as sqlite
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from tests.support.processes import Processes

HOLD_THE_LOCK = """
store = open_store(home)
with store.database.transaction() as tx:
    tx.execute("INSERT INTO engines VALUES ('holder', 1, 1.0)")
    say("held")
    sys.stdin.readline()
say("released")
sys.stdin.readline()
"""
COMMIT_WITHOUT_A_PAUSE = """
store = open_store(home)
for turn in range(1_000_000):
    with store.database.transaction() as tx:
        tx.execute("INSERT INTO engines VALUES (?, 1, 1.0)", (f"busy_{turn}",))
    if turn == 100:
        say("busy")
"""
LIVE = """
store = open_store(home)
say(store.join())
sys.stdin.readline()
"""


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


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    def write_and_fail() -> None:
        with store.database.transaction() as tx:
            tx.execute("INSERT INTO engines VALUES ('a', 1, 1.0)")
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    assert _names(store) == []
    _write(store, "b")
    assert _names(store) == ["b"]


def test_a_full_disk_is_a_store_error_and_leaves_the_store_whole(store: Store) -> None:
    _write(store, "before")
    with store.database.transaction() as tx:
        [(pages,)] = tx.execute("PRAGMA page_count")
        tx.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match="is full") as caught:
        _write_much(store)
    assert caught.value.hint.startswith("Free space on the disk of ROWMILL_HOME")
    assert _names(store) == ["before"]
    assert store.database.check() is None

    with store.database.transaction() as tx:
        tx.execute("PRAGMA max_page_count = 1000000")
    _write(store, "after", size=10_000)
    assert len(_names(store)) == 2
    assert store.database.check() is None


def test_a_statement_that_fails_is_a_store_error(store: Store) -> None:
    _write(store, "a")
    with pytest.raises(StoreError, match="UNIQUE") as caught:
        _write(store, "a")
    assert caught.value.hint == "Run `rowmill doctor`."


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
        found = store.database.check()
    except StoreError as error:
        found = str(error)
    finally:
        store.close()
    assert found


def test_who_waits_too_long_for_the_write_lock_is_told_and_can_try_again(
    store: Store, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = processes.start(HOLD_THE_LOCK)
    assert holder.hear() == "held"
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "LOCK_TIMEOUT", 0.1)
        for _ in range(2):
            with pytest.raises(StoreError, match="has held the store's write lock"):
                _write(store, "too soon")
    assert _names(store) == []
    holder.tell()
    assert holder.hear() == "released"
    # Those who gave up still waited: each must let go of what it got in the end.
    _write(store, "a")
    assert processes.start(COMMIT_WITHOUT_A_PAUSE).hear() == "busy"
    _write(store, "b")
    assert {"a", "b"} <= set(_names(store))


def test_a_process_that_is_stopped_with_the_lock_is_waited_for(store: Store, processes: Processes) -> None:
    holder = processes.start(HOLD_THE_LOCK)
    assert holder.hear() == "held"
    holder.process.send_signal(signal.SIGSTOP)
    written = threading.Thread(target=_write, args=(store, "a"))
    written.start()
    written.join(0.1)
    assert written.is_alive()
    assert _names(store) == []  # reading waits for nobody
    holder.process.send_signal(signal.SIGCONT)
    holder.tell()
    written.join(10)
    assert _names(store) == ["a", "holder"]


def test_a_killed_process_gives_the_lock_back_and_leaves_nothing_half_written(
    store: Store, processes: Processes
) -> None:
    holder = processes.start(HOLD_THE_LOCK)
    assert holder.hear() == "held"
    holder.kill()
    _write(store, "a")
    assert _names(store) == ["a"]
    assert store.database.check() is None


def test_back_to_back_commits_of_another_process_keep_nobody_waiting(store: Store, processes: Processes) -> None:
    assert processes.start(COMMIT_WITHOUT_A_PAUSE).hear() == "busy"
    waits = []
    for turn in range(10):
        began = time.monotonic()
        _write(store, f"mine_{turn}")
        waits.append(time.monotonic() - began)
    # SQLite's own busy handler waits for seconds here.
    assert max(waits) < 1.0, waits


def test_threads_of_one_process_take_turns(store: Store) -> None:
    def write(thread: int) -> None:
        for turn in range(20):
            _write(store, f"{thread}_{turn}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(_names(store)) == 80


def test_an_engine_is_alive_while_its_process_is_even_when_that_is_stopped(store: Store, processes: Processes) -> None:
    process = processes.start(LIVE)
    engine = process.hear()
    assert store.database.alive(engine)
    process.process.send_signal(signal.SIGSTOP)
    assert store.database.alive(engine)
    assert store.database.alive(engine)  # asking took nothing from it
    process.process.send_signal(signal.SIGCONT)
    assert store.database.in_use()
    process.kill()
    assert not store.database.alive(engine)
    assert not store.database.in_use()


def test_an_engine_that_was_never_known_is_not_alive(store: Store) -> None:
    assert not store.database.alive("eng_unknown")


def test_a_closed_store_has_no_living_engine(tmp_path: Path, store: Store) -> None:
    other = open_store(tmp_path)
    engine = other.join()
    assert store.database.alive(engine)
    other.close()
    assert not store.database.alive(engine)


def test_the_log_is_emptied_once_it_has_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_BYTES", 1_000_000)
    store = open_store(tmp_path)
    log = tmp_path / "rowmill.db-wal"
    store.database.maintain()
    assert log.stat().st_size > 0
    for number in range(100):
        _write(store, f"{number}", size=16_000)
    assert log.stat().st_size > 1_000_000
    store.database.maintain()
    assert log.stat().st_size == 0
    assert len(_names(store)) == 100
    store.close()


def test_a_reader_in_the_way_of_a_checkpoint_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_BYTES", 1_000_000)
    store = open_store(tmp_path)
    log = tmp_path / "rowmill.db-wal"
    with _other_reader(tmp_path):
        for number in range(100):
            _write(store, f"{number}", size=16_000)
        began = time.monotonic()
        store.database.maintain()
        assert time.monotonic() - began < 5  # the busy timeout of an ordinary statement is 15 s
        assert log.stat().st_size > 1_000_000
    for number in range(100, 200):
        _write(store, f"{number}", size=16_000)
    store.database.maintain()
    assert log.stat().st_size == 0
    store.close()


def test_commits_survive_a_power_cut(store: Store) -> None:
    with store.database.transaction() as tx:
        pragmas = {name: tx.execute(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}


def test_space_is_given_back_a_little_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_SHRINK_PAGES", 10)
    store = open_store(tmp_path)
    _write_much(store)
    store.database.shrink()
    before = store.database.size()
    _remove_all(store)
    store.database.shrink()
    assert store.database.read("PRAGMA freelist_count") == [(0,)]
    assert before - store.database.size() > 1_000_000
    assert (tmp_path / "rowmill.db").stat().st_size <= store.database.size()
    store.close()


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
    before = store.database.size()
    store.database.shrink()
    assert before - store.database.size() > 1_000_000
    assert store.database.check() is None
    store.close()
    store = open_store(made_before)
    assert store.database.read("PRAGMA auto_vacuum") == [(2,)]
    _write_much(store)
    _remove_all(store)
    store.database.shrink()
    assert store.database.read("PRAGMA freelist_count") == [(0,)]
    store.close()


def test_a_store_is_not_rebuilt_under_a_living_engine(made_before: Path) -> None:
    store = open_store(made_before)
    engine = store.join()
    before = store.database.size()
    store.database.shrink()
    assert store.database.size() >= before
    assert store.database.read("PRAGMA auto_vacuum") == [(0,)]
    store.leave(engine)
    store.database.shrink()
    assert store.database.size() < before
    store.close()


def test_an_engine_that_appears_while_others_are_counted_is_alive(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    counted: list[IO[bytes]] = []

    def count_first(file: IO[bytes], operation: int) -> None:
        if not counted and Path(file.name).stem == "eng_new":
            counted.append(file)  # its file is there by now, and not locked yet
            assert not other.database.in_use()
        lock(file, operation)

    with closing(open_store(tmp_path)) as other:
        monkeypatch.setattr(fcntl, "flock", count_first)
        store.database.register("eng_new")
        assert counted
        assert other.database.alive("eng_new")
