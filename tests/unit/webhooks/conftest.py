from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _here(here: Path) -> None:
    """Every test works in a directory of its own."""
