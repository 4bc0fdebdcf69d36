"""Names for functions that only this process knows."""

import os
import subprocess
import sys
from typing import Any

import pytest

from rowmill.core.errors import UsageError
from rowmill.local import functions
from tests.unit.client import shop


def test_a_function_of_a_module_is_named_by_that() -> None:
    assert functions.register(shop.mood) == f"{shop.__name__}:mood"


def test_a_function_that_holds_what_cannot_be_compared_is_another_each_time() -> None:
    def holding(thing: object) -> Any:
        return lambda row: thing

    assert functions.register(holding(object())) != functions.register(holding(object()))
    assert functions.register(holding(1)) == functions.register(holding(1)) != functions.register(holding(2))


def test_a_function_has_the_same_name_in_each_process() -> None:
    script = "from rowmill.local import functions; print(functions.register(lambda row: row in {'a', 'b', 'c'}))"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    names = {
        subprocess.check_output([sys.executable, "-c", script], env={**env, "PYTHONHASHSEED": seed})
        for seed in ("1", "2", "3")
    }
    assert len(names) == 1


def test_a_function_that_only_another_process_knows_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="The function judge is known only to the script"):
        getattr(functions, "judge_0123456789ab")  # noqa: B009 - as the processor does
