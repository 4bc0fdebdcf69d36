"""The reference of the Python client has all its names, and no others."""

import inspect
import re
from typing import Any

import pytest

import rowmill
import rowmill.client
from rowmill.client import Client, Results
from rowmill.client.client import Resources
from rowmill.client.enrichment import Enrichment
from rowmill.client.jobs import Job
from rowmill.client.transport import Sync
from rowmill.core.errors import RowmillError
from rowmill.local import LocalJob, LocalResults

from .pages import REFERENCE, codes, first_cells, section

PAGE = REFERENCE / "client.md"
_METHOD = re.compile(r"(\w+)\((.*)\)")


def resources() -> dict[str, type]:
    """What a client has, by name."""
    with Client("http://127.0.0.1:9") as client:
        assert isinstance(client, Resources)
        found = {name: type(value) for name, value in vars(client).items() if not isinstance(value, Sync)}
    handles = {"Job": Job, "Results": Results, "LocalJob": LocalJob}
    return {f"client.{name}": kind for name, kind in found.items()} | handles


def methods(kind: type) -> dict[str, list[str]]:
    """The public methods of a class with what each takes; ``…`` stands for options that are told elsewhere."""
    found = {}
    for name, value in [item for base in reversed(kind.mro()) for item in vars(base).items()]:
        function: Any = getattr(value, "function", value)
        if not name.startswith("_") and inspect.isfunction(function):
            found[name] = _parameters(function, of_a_job=kind is Job)
    return found


def _parameters(function: Any, *, of_a_job: bool) -> list[str]:
    named = list(inspect.signature(function).parameters.values())[1:]
    names = ["…" if each.kind is inspect.Parameter.VAR_KEYWORD else each.name for each in named]
    return [name for name in names if not (of_a_job and name == "job_id")]


def told(name: str) -> dict[str, list[str]]:
    text = PAGE.read_text(encoding="utf-8").partition(f"| method of `{name}` | gives |\n")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (.+?) \|", text, re.M)
    calls = [_METHOD.fullmatch(code) for cell in cells for code in re.findall(r"`([^`]+)`", cell)]
    return {call[1]: [each for each in call[2].split(", ") if each] for call in calls if call}


@pytest.mark.parametrize("name", [*resources()])
def test_every_method_is_told_with_what_it_takes(name: str) -> None:
    assert told(name) == methods(resources()[name])


def test_local_results_have_the_methods_of_results() -> None:
    assert methods(LocalResults) == methods(Results)


def test_every_public_name_is_told() -> None:
    assert codes(first_cells(section(PAGE, "Names"))) - {"rowmill"} == set(rowmill.__all__)


def test_every_name_of_the_client_is_told() -> None:
    elsewhere = set(rowmill.client.__all__) - set(rowmill.__all__) - {"Results"}
    assert codes(first_cells(section(PAGE, "Errors"))) == elsewhere | {"JobStopped"}


def test_every_error_is_an_error_of_ours() -> None:
    names = codes(first_cells(section(PAGE, "Errors")))
    assert [name for name in names if not issubclass(getattr(rowmill.client, name), RowmillError)] == []


def test_every_word_of_an_enrichment_is_told() -> None:
    assert codes(first_cells(section(PAGE, "What an enrichment is told"))) == set(Enrichment.__annotations__)


def test_what_enrich_takes_is_told() -> None:
    named = inspect.signature(rowmill.enrich).parameters
    takes = ", ".join("…" if each.kind is inspect.Parameter.VAR_KEYWORD else each.name for each in named.values())
    assert f"`rowmill.enrich({takes})`".replace("input, ", "input, *, ") in section(PAGE, "enrich")
