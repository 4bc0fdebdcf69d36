import os
from pathlib import Path

import pytest

from rowmill.core.errors import StoreError
from rowmill.db.sqlite.flock import open_to_lock
from rowmill.ledger.store import Store
from tests.support.processes import Processes

FORKS = """
import os
store = open_store(home)
engine = store.join()
store.database._lock.__enter__()
if os.fork() == 0:
    say(engine)
    say(os.getpid())
    sys.stdin.readline()
    os._exit(0)
sys.stdin.readline()
"""


def test_a_forked_child_that_outlives_its_parent_keeps_no_lock(store: Store, processes: Processes) -> None:
    parent = processes.start(FORKS)
    engine, child = parent.hear(), int(parent.hear())
    assert store.presence.alive(engine)
    parent.kill()
    os.kill(child, 0)  # it lives
    assert not store.presence.alive(engine)
    store.maintenance.shrink()  # which waits for the write lock


def test_a_place_that_cannot_be_locked_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="A lock of the store cannot be had: No such file"):
        open_to_lock(tmp_path / "nowhere" / "rowmill.lock")
