"""Functions that do nothing, for ``rowmill run --processor benchmarks.functions:…``."""

import os
import time
from pathlib import Path
from typing import Any

FIRST_CALL = "BENCHMARK_FIRST_CALL"
"""The environment variable that names the file in which ``noting`` leaves the time of its first call."""

_noted = False


async def asynchronous(row: dict[str, Any]) -> str:
    return "done"


def plain(row: dict[str, Any]) -> str:
    return "done"


async def noting(row: dict[str, Any]) -> str:
    global _noted  # noqa: PLW0603 - it is the whole process whose first call is noted
    if not _noted:
        _noted = True
        Path(os.environ[FIRST_CALL]).write_text(repr(time.time()), encoding="utf-8")
    return "done"
