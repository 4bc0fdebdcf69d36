"""The words in SQL against the enums: a condition with a misspelled status would simply never match."""

import ast
import re
from pathlib import Path

import pytest

import rowmill
from rowmill.core.status import Action, JobStatus, JobType, PauseReason, RowStatus

NO_STATUS = {"crashed", "malformed", "alembic_version", "rows_per_month", "cost_per_month"}
"""How an execution of a dead engine ends, an error code, a table, and usage limits."""

MEANT: dict[str, set[str]] = {
    "requested_action": set(Action),
    "status": set(JobStatus) | set(RowStatus),
    "type": set(JobType),
    "ended_as": set(JobStatus) | {"crashed"},
}
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|CASE|AND|SET)\b")
WORD = re.compile(r"'([a-z_]+)'")
COMPARED = re.compile(r"(\w+) *(?:=|<>) *'([a-z_]+)'")


@pytest.fixture(scope="module")
def statements() -> list[str]:
    """The SQL of the whole package, wherever in it, in whole statements and in parts."""
    trees = [ast.parse(path.read_text()) for path in Path(rowmill.__file__).parent.rglob("*.py")]
    constants = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    found = [value for value in constants if isinstance(value, str) and SQL.search(value)]
    assert len(found) > 250
    return found


def test_every_word_in_sql_is_a_status_a_type_or_a_verb(statements: list[str]) -> None:
    words = {word for statement in statements for word in WORD.findall(statement)}
    assert words - set(JobStatus) - set(RowStatus) - set(JobType) - set(Action) - set(PauseReason) == NO_STATUS


def test_every_word_is_compared_with_a_column_that_may_hold_it(statements: list[str]) -> None:
    pairs = {pair for statement in statements for pair in COMPARED.findall(statement)}
    assert {column for column, _ in pairs} >= set(MEANT)
    assert [(column, word) for column, word in pairs if column in MEANT and word not in MEANT[column]] == []
