import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Rowmill
from .servers import ObjectServer, object_server


@pytest.fixture
def rowmill(tmp_path: Path, empty_home: Path) -> Iterator[Rowmill]:
    """The program on an empty store of its own; every process that the test started is ended."""
    program = Rowmill(tmp_path)
    shutil.copytree(empty_home, program.home)
    try:
        yield program
    finally:
        program.close()


@pytest.fixture(scope="session")
def objects() -> Iterator[ObjectServer]:
    """A server of object stores; it takes seconds to start."""
    with object_server() as server:
        yield server
