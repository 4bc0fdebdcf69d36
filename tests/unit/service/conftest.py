from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import pytest

from rowmill.store.opening import open_store
from rowmill.store.store import Store


@pytest.fixture(autouse=True)
def here(tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which a user works, with the store apart from it."""
    copytree(empty_home, tmp_path / "home")
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("ROWMILL_HOME", str(tmp_path / "home"))
    return place


@pytest.fixture
def store(here: Path) -> Iterator[Store]:
    store = open_store()
    yield store
    store.close()


@pytest.fixture
def engine(store: Store) -> str:
    return store.join()


@pytest.fixture
def count(store: Store) -> Callable[[str], int]:
    return lambda table: int(store.database.read(f"SELECT count(*) FROM {table}")[0][0])


@pytest.fixture
def reviews(here: Path) -> Path:
    """A table of four rows."""
    path = here / "reviews.csv"
    path.write_text("id,Review\n1,fine\n2,bad\n3,good\n4,awful\n")
    return path
