"""A hundred jobs, each through crashes at any await, requests, failing stores and every kind of outcome."""

import os
from pathlib import Path

import pytest

from .world import world

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else list(range(100))


GROUPS = [SEEDS[start::10] for start in range(10) if SEEDS[start::10]]


@pytest.mark.parametrize(
    "seeds", [*GROUPS[:2], *(pytest.param(seeds, marks=pytest.mark.slow) for seeds in GROUPS[2:])], ids=str
)
def test_no_promise_is_broken(seeds: list[int], empty_home: Path, tmp_path: Path) -> None:
    for seed in seeds:
        with world(seed, empty_home, tmp_path / str(seed)) as made:
            made.live()
            assert made.checker.calls


def test_a_seed_repeats_its_run_exactly(empty_home: Path, tmp_path: Path) -> None:
    runs = []
    for home in ("first", "second"):
        with world(7, empty_home, tmp_path / home) as made:
            made.live()
            runs.append(made.checker.calls)
    assert runs[0] == runs[1]
