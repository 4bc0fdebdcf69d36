from pathlib import Path

import pytest
from hypothesis import settings

from rowmill.ledger.opening import open_store

settings.register_profile("rowmill", deadline=None)  # a busy machine is slow at times, which is no failure
settings.load_profile("rowmill")


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a store with nothing in it: to copy one is ten times as fast as to make one."""
    home = tmp_path_factory.mktemp("empty") / "home"
    open_store(home).close()
    return home
