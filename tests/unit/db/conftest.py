from collections.abc import Iterator
from pathlib import Path

import pytest

from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from tests.support.processes import Processes


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Runs code beside the test, on the same store; every process is ended."""
    processes = Processes(tmp_path)
    yield processes
    processes.end()
