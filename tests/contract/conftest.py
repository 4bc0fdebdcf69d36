from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Protocol

import pytest

from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store

from .bench import Bench


class Place(Protocol):
    """An empty store of one kind; each ``open`` is what one more process would see of it."""

    def open(self) -> Store: ...

    def close(self) -> None: ...


class SQLitePlace:
    def __init__(self, home: Path, empty: Path) -> None:
        self._home = copytree(empty, home, dirs_exist_ok=True)
        self._stores: list[Store] = []

    def open(self) -> Store:
        store = open_store(self._home)
        self._stores.append(store)
        return store

    def close(self) -> None:
        for store in self._stores:
            store.close()


@pytest.fixture(params=[SQLitePlace], ids=["sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path, empty_home: Path) -> Iterator[Place]:
    place: Place = request.param(tmp_path, empty_home)
    yield place
    place.close()


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


@pytest.fixture
def other(place: Place, store: Store) -> Store:
    """The same store as a second process has it."""
    return place.open()


@pytest.fixture
def bench(store: Store) -> Bench:
    return Bench(store)
