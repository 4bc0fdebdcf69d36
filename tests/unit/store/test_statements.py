"""The words in SQL against the enums: a status that is spelt wrong there would simply never match."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import rowmill
from rowmill.core.status import Action, JobStatus, JobType, PauseReason, RowStatus

NO_STATUS = {"crashed", "crashed_process", "malformed", "alembic_version", "rows_per_month", "cost_per_month"}
"""How an execution of a dead engine ends, error codes, a table, and usage limits."""

MEANT: dict[str, set[str]] = {
    "wish": set(Action),
    "status": set(JobStatus) | set(RowStatus),
    "type": set(JobType),
    "ended_as": set(JobStatus) | {"crashed"},
}
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|CASE|AND|SET)\b")
WORD = re.compile(r"'([a-z_]+)'")
COMPARED = re.compile(r"(\w+) *(?:=|<>) *'([a-z_]+)'")


def _statements() -> Iterator[str]:
    sources = Path(str(rowmill.__file__)).parent
    for path in [
        path
        for room in ("db", "ledger", "connections", "tokens", "webhooks")
        for path in (sources / room).rglob("*.py")
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
                yield node.value


def test_every_word_in_sql_is_a_status_a_type_or_a_verb() -> None:
    words = {word for statement in _statements() for word in WORD.findall(statement)}
    assert len(words) > 5
    assert words - set(JobStatus) - set(RowStatus) - set(JobType) - set(Action) - set(PauseReason) == NO_STATUS


def test_every_word_is_compared_with_a_column_that_may_hold_it() -> None:
    pairs = {pair for statement in _statements() for pair in COMPARED.findall(statement)}
    assert {column for column, _ in pairs} >= set(MEANT)
    assert [(column, word) for column, word in pairs if column in MEANT and word not in MEANT[column]] == []
