"""The reference says all that the program has, and nothing that it has not."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields

import click
import pytest

from rowmill.builtin.storage.objects import ObjectStorage
from rowmill.cli.main import COMMANDS, rowmill
from rowmill.core.job import Settings
from rowmill.core.status import TRANSITIONS, JobStatus, PauseReason, RowStatus
from rowmill.http.problems import STATUS_OF
from rowmill.jobs.plan import Plan
from rowmill.jobs.retention import Pruned
from rowmill.shapes.datasets import Dataset
from rowmill.tables import where
from rowmill.tables.profile import Profiler
from rowmill.tables.schema import TYPES
from rowmill.tables.where import Where

from .pages import DOCS, REFERENCE, ROOT, blocks, codes, first_cells, section

SOURCES = ROOT / "src" / "rowmill"
_OUTCOMES = {"Failed": 0, "RetryLater": 0, "StopJob": 0, "JobError": 0, "Fail": 0, "PutOff": 0}
_REFUSALS = {"_Unfit": 0, "Misfit": 1, "RejectedLine": 1, "ApiError": 1}
_CODE_OF = _OUTCOMES | _REFUSALS | {"Attempt": 5}
"""Which argument of a call is a code."""

_CODE_OF_API = {"ApiError": 0}
"""The same within the API, where they differ."""

_NAMED_CODES = {"code", "trouble", "UNCHANGED", "SUPERSEDED"}
"""Variables whose value is a code."""


def command(name: str) -> click.Command:
    found = rowmill.get_command(click.Context(rowmill), name)
    assert found is not None
    return found


def table(page: str, heading: str) -> set[str]:
    """What stands in backticks in the first column of the tables below a heading."""
    return codes(first_cells(section(REFERENCE / page, heading)))


def project() -> dict[str, object]:
    parsed: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return parsed


def test_every_command_has_its_section_in_the_program_s_order() -> None:
    text = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, flags=re.M) == ["Exit codes", *COMMANDS]
    assert rowmill.list_commands(click.Context(rowmill)) == list(COMMANDS)


def params(name: str) -> list[click.Parameter]:
    """What a command takes, with what its own commands take."""
    found = command(name)
    within = list(found.commands.values()) if isinstance(found, click.Group) else []
    return [param for each in (found, *within) for param in each.params]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_command_s_options_are_those_of_the_program(name: str) -> None:
    options = [param for param in params(name) if isinstance(param, click.Option) and not param.hidden]
    spelt = {spelling for option in options for spelling in (*option.opts, *option.secondary_opts)}
    told = {code.split()[0] for code in table("commands.md", name)} if options else set()
    assert told == spelt


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_command_s_arguments_and_choices_are_told(name: str) -> None:
    text = section(REFERENCE / "commands.md", name)
    for param in params(name):
        if isinstance(param, click.Argument):
            assert (param.metavar or param.name or "").upper() in text
        elif isinstance(param.type, click.Choice) and param.name not in ("status", "type_"):
            assert "\\|".join(param.type.choices) in text


@pytest.mark.parametrize("name", ["connections", "tokens"])
def test_the_commands_of_a_command_are_told(name: str) -> None:
    group = command(name)
    assert isinstance(group, click.Group)
    told = re.findall(rf"^- `rowmill {name} (\w+)", section(REFERENCE / "commands.md", name), re.M)
    assert told == list(group.commands)


def test_exit_codes_are_those_that_the_program_tells() -> None:
    told = set(first_cells(section(REFERENCE / "commands.md", "Exit codes")))
    summary = (rowmill.help or "").partition("Exit codes:")[2]
    assert told == set(re.findall(r"\d+", summary))
    assert told == set(re.findall(r"^\| (\d+) \|", (DOCS / "how-to" / "scripts.md").read_text(), flags=re.M))


def test_job_statuses() -> None:
    assert table("statuses.md", "Jobs") == {status.value for status in JobStatus}


def test_pause_reasons() -> None:
    assert table("statuses.md", "Pause reasons") == {reason.value for reason in PauseReason}


def test_row_statuses() -> None:
    assert table("statuses.md", "Rows") == {status.value for status in RowStatus}


def test_the_table_of_moves_is_the_program_s() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (?:`(\w+)`|gone) \|$", section(REFERENCE / "statuses.md", "Jobs"), re.M)
    assert rows == [(status.value, verb.value, after.value if after else "") for (status, verb), after in MOVES]


def test_the_diagram_draws_every_move_between_two_statuses() -> None:
    drawn = {
        (before, after, verb)
        for before, after, verbs in re.findall(
            r"^    (\w+) --> (\w+): (.+)$", section(REFERENCE / "statuses.md", "Jobs"), re.M
        )
        for verb in verbs.split(", ")
    }
    moves = {(s.value, after.value, verb.value) for (s, verb), after in MOVES if after and after is not s}
    assert drawn == moves


MOVES = list(TRANSITIONS.items())


def test_every_error_code_is_told() -> None:
    told = codes(first_cells((REFERENCE / "errors.md").read_text(encoding="utf-8")))
    assert {code for code in error_codes() if code not in told} == set()


def test_every_error_code_told_is_in_the_program() -> None:
    told = codes(first_cells((REFERENCE / "errors.md").read_text(encoding="utf-8")))
    known = error_codes()
    of_api = table("errors.md", "Codes of the API")
    assert {code for code in told - of_api if code not in known and not code.startswith("http_4")} == set()
    assert "http_4xx" in known


def test_the_codes_of_the_api_are_told_with_their_status() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\d+) \|", section(REFERENCE / "errors.md", "Codes of the API"), re.M)
    assert {code: int(status) for code, status in told} == STATUS_OF


def test_json_fields_of_a_dataset_with_its_profile() -> None:
    profiler = Profiler(["a"], len)
    profiler.add([["x"]])
    profile = profiler.result()
    shown = {"profile", *(field.name for field in fields(Dataset))}
    assert table("json.md", "A dataset") == shown | set(profile["columns"][0])


@pytest.mark.parametrize(("heading", "made"), [("A plan", Plan), ("A pruning", Pruned)])
def test_json_fields_of_what_is_printed_as_it_is(heading: str, made: type[Plan | Pruned]) -> None:
    assert table("json.md", heading) == {field.name for field in fields(made)}


def test_settings() -> None:
    told = table("settings.md", "Settings of a job")
    assert {code for code in told if not code.startswith("-")} == set(Settings.__dataclass_fields__)


def test_every_environment_variable_is_told_and_read() -> None:
    told = table("settings.md", "Environment variables")
    assert told - {"http_proxy", "https_proxy", "no_proxy"} == environment_variables()


def test_entry_points() -> None:
    text = (REFERENCE / "plugins.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(rowmill\.\w+)` \| .* \| (.+) \|$", text, flags=re.M))
    told = {group: re.findall(r"`([^`]+)`", names) for group, names in rows.items()}
    groups = project()["entry-points"]
    assert isinstance(groups, dict)
    assert told == {group: list(names) for group, names in groups.items()}


def test_formats() -> None:
    groups = project()["entry-points"]
    assert isinstance(groups, dict)
    told = set(re.findall(r"^\| `(\w+)` \| .+ \| yes \| yes \|$", (REFERENCE / "formats.md").read_text(), flags=re.M))
    assert told == set(groups["rowmill.readers"]) == set(groups["rowmill.writers"])


def test_every_dependency_has_its_reason() -> None:
    text = (DOCS / "explanation" / "libraries.md").read_text(encoding="utf-8")
    dependencies, extras = project()["dependencies"], project()["optional-dependencies"]
    assert isinstance(dependencies, list)
    assert isinstance(extras, dict)
    assert codes(first_cells(text)) == {*map(package, dependencies), *(extras.keys() - {"local"})}
    told = re.findall(r"^\| `(\w+)` \| `([\w-]+)` \|", text, flags=re.M)
    packages = [(extra, package(each)) for extra, needed in extras.items() if extra != "local" for each in needed]
    assert {(extra, name.lower()) for extra, name in told} == set(packages)


def test_every_extra_is_told_to_the_reader() -> None:
    extras = project()["optional-dependencies"]
    assert isinstance(extras, dict)
    told = re.findall(r"rowmill\[([\w,]+)\]", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert extras.keys() - {"local"} <= {name for names in told for name in names.split(",")}


def test_types_of_a_schema() -> None:
    assert table("datasets.md", "Types") == {*TYPES, "enum"}


def test_conditions_given_as_examples_are_conditions() -> None:
    examples = table("where.md", "Examples")
    assert len(examples) > 5
    assert all(Where(example).variables for example in examples)


def test_the_grammar_of_conditions_is_the_program_s() -> None:
    told = next(block.text for block in blocks(REFERENCE / "where.md"))
    assert re.sub(r"\s+", " ", told) in re.sub(r"\s+", " ", where.__doc__ or "")


def test_the_variables_of_object_stores_are_those_that_are_read() -> None:
    read = set(re.findall(r"``([A-Z]+_[A-Z_]+)``", ObjectStorage.__doc__ or ""))
    assert read
    assert table("settings.md", "Object stores") == read


def package(dependency: str) -> str:
    return re.split(r"[^\w-]", dependency)[0]


def trees() -> Iterator[tuple[ast.Module, dict[str, int]]]:
    """Each module, and which argument of its calls is a code."""
    for path in SOURCES.rglob("*.py"):
        if "testing" not in path.parts:
            yield (
                ast.parse(path.read_text(encoding="utf-8")),
                _CODE_OF | (_CODE_OF_API if "rowmill.http.problems" in path.read_text(encoding="utf-8") else {}),
            )


def error_codes() -> set[str]:
    """The literal codes of outcomes and errors. A code with a number in it stands as ``http_4xx``."""
    found: set[str] = set()
    for tree, code_of in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in code_of:
                found |= {code for argument in node.args[code_of[node.func.id] :][:1] for code in literals(argument)}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "because":
                found |= set(literals(node.args[0]))
            elif isinstance(node, ast.Assign):
                found |= {code for name, value in assigned(node) if name in _NAMED_CODES for code in literals(value)}
    return found


def literals(node: ast.expr) -> Iterator[str]:
    """The strings that an expression may come to."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp():
            yield from literals(node.body)
            yield from literals(node.orelse)
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            yield f"{text}4xx"


def assigned(node: ast.Assign) -> list[tuple[str, ast.expr]]:
    """(name, value) of each plain variable that is set, also of ``A, B = 1, 2``."""
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = list(zip(target.elts, value.elts, strict=True))
    else:
        pairs = [(target, value)]
    return [(name.id, each) for name, each in pairs if isinstance(name, ast.Name)]


def environment_variables() -> set[str]:
    """What the sources read: ``os.environ.get("…")``, ``os.environ["…"]``, ``envvar="…"`` and the default key's."""
    found = set()
    for path in SOURCES.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r"""environ(?:\.get\(|\[)["'](\w+)["']""", text))
        found |= set(re.findall(r"""(?:envvar|getenv)\W+["'](\w+)["']""", text))
        found |= set(re.findall(r"""["']([A-Z]+_API_KEY)["']""", text))
        found |= set(re.findall(r"""^\w*VARIABLE = ["'](\w+)["']""", text, re.M))
    return found
