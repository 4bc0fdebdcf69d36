"""``import rowmill`` is instant, whatever it offers."""

import subprocess
import sys

import pytest

import rowmill

HEAVY = ("aiohttp", "urllib3", "fastapi", "pydantic", "rich", "polars", "pyarrow", "rowmill.client")


def test_importing_it_loads_nothing_heavy() -> None:
    source = f"import sys, rowmill; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_client_loads_neither_a_server_nor_what_only_results_need() -> None:
    unwanted = ("aiohttp", "fastapi", "pydantic", "rich", "polars", "pyarrow")
    source = f"import sys, rowmill; rowmill.Client(); print([name for name in {unwanted!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_enrich_loads_nothing_of_the_api() -> None:
    unwanted = ("fastapi", "pydantic", "prometheus_client", "rowmill.api", "rowmill.http")
    source = f"import sys, rowmill; rowmill.enrich; print([name for name in {unwanted!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("name", rowmill.__all__)
def test_everything_that_it_names_is_there(name: str) -> None:
    assert callable(getattr(rowmill, name))


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="enrichh"):
        getattr(rowmill, "enrichh")  # noqa: B009 - as an attribute it would be a type error
