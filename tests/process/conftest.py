import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Rowmill


@pytest.fixture
def rowmill(tmp_path: Path, empty_home: Path) -> Iterator[Rowmill]:
    """The program on an empty store of its own; every process that the test started is ended."""
    program = Rowmill(tmp_path)
    shutil.copytree(empty_home, program.home)
    try:
        yield program
    finally:
        program.close()
