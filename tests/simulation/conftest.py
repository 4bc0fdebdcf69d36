from pathlib import Path

import pytest

from rowmill.store.opening import open_store


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store just made; copying it is faster than making it."""
    home = tmp_path_factory.mktemp("template") / "home"
    open_store(home).close()
    return home
