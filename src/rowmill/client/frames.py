"""Parquet as a frame of a library that need not be installed. Each function raises ``UsageError`` if it is not."""

import io
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rowmill.core.errors import UsageError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow  # type: ignore[import-untyped]


def arrow_reader() -> "Callable[[bytes], pyarrow.Table]":
    parquet = _imported("pyarrow.parquet")
    return lambda content: parquet.read_table(io.BytesIO(content))


def polars_reader() -> "Callable[[bytes], polars.DataFrame]":
    library = _imported("polars")
    return lambda content: library.read_parquet(io.BytesIO(content))


def pandas_reader() -> "Callable[[bytes], pandas.DataFrame]":
    library = _imported("pandas")
    _imported("pyarrow")  # pandas needs it to read Parquet
    return lambda content: library.read_parquet(io.BytesIO(content))


def _imported(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError:
        package = module.partition(".")[0]
        raise UsageError(f"This needs {package}.", f"Install it with: pip install {package}") from None
