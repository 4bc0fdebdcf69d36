from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import cast

import pytest

from rowmill.db.sqlite.database import SQLiteDatabase
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store


@pytest.fixture
def store(empty_home: Path, tmp_path: Path) -> Iterator[Store]:
    copytree(empty_home, tmp_path / "home")
    opened = open_store(tmp_path / "home")
    # No power is cut here: what is committed need not reach the disk.
    cast("SQLiteDatabase", opened.database)._writer.execute("PRAGMA synchronous = OFF")
    yield opened
    opened.close()
