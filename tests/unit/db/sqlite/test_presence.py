import fcntl
import signal
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest

from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from tests.support.processes import Processes

LIVE = """
store = open_store(home)
say(store.join())
sys.stdin.readline()
"""


def test_an_engine_is_alive_while_its_process_is_even_when_that_is_stopped(store: Store, processes: Processes) -> None:
    process = processes.start(LIVE)
    engine = process.hear()
    assert store.presence.alive(engine)
    process.process.send_signal(signal.SIGSTOP)
    assert store.presence.alive(engine)
    assert store.presence.alive(engine)  # asking took nothing from it
    process.process.send_signal(signal.SIGCONT)
    assert store.presence.any_alive()
    process.kill()
    assert not store.presence.alive(engine)
    assert not store.presence.any_alive()


def test_an_engine_that_was_never_known_is_not_alive(store: Store) -> None:
    assert not store.presence.alive("eng_unknown")


def test_a_closed_store_has_no_living_engine(tmp_path: Path, store: Store) -> None:
    other = open_store(tmp_path)
    engine = other.join()
    assert store.presence.alive(engine)
    other.close()
    assert not store.presence.alive(engine)


def test_an_engine_that_appears_while_others_are_counted_is_alive(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    counted: list[IO[bytes]] = []

    def count_first(file: IO[bytes], operation: int) -> None:
        if not counted and Path(file.name).stem == "eng_new":
            counted.append(file)  # its file is there by now, and not locked yet
            assert not other.presence.any_alive()
        lock(file, operation)

    with closing(open_store(tmp_path)) as other:
        monkeypatch.setattr(fcntl, "flock", count_first)
        store.presence.register("eng_new")
        assert counted
        assert other.presence.alive("eng_new")
