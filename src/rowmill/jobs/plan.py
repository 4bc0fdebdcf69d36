"""Tells what an import would do, and writes nothing."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

from rowmill.core.transfer import ImportBatch
from rowmill.engine.transfer.importer import BATCH
from rowmill.jobs.spec import JobSpec
from rowmill.jobs.submit.imports import Import, resolve_import
from rowmill.ledger.merge import CREATED, UNCHANGED, UPDATED, overlaid
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset
from rowmill.tables.source import Tell

_SHOWN = 20


@dataclass(slots=True)
class Plan:
    """What an import would do, in lines of its file; ``first_refused`` holds (row, code, message)."""

    dataset: str
    exists: bool
    total: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    superseded: int = 0
    failed: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    first_refused: list[tuple[int, str, str]] = field(default_factory=list)
    new_columns: list[str] = field(default_factory=list)


def plan_import(store: Store, spec: JobSpec, tell: Tell = lambda size: None) -> Plan:
    """What an import of this spec would do. Raises ``UsageError`` where it would be refused."""
    with resolve_import(store, spec, tell) as ready, closing(_Staged()) as staged:
        return _planned(store, ready, staged)


class _Staged:
    """What becomes of each key by its last line so far, in a temporary file of SQLite's own: memory stays flat."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE staged (key TEXT PRIMARY KEY, action TEXT) WITHOUT ROWID")

    def add(self, actions: list[tuple[str, str]]) -> None:
        sql = "INSERT INTO staged VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET action = excluded.action"
        self._database.executemany(sql, actions)

    def counts(self) -> dict[str, int]:
        return dict(self._database.execute("SELECT action, count(*) FROM staged GROUP BY action"))

    def close(self) -> None:
        self._database.close()


def _planned(store: Store, ready: Import, staged: _Staged) -> Plan:
    reader = ready.opened.reader()
    fitter = ready.fitter()
    plan = Plan(ready.into.name, ready.dataset is not None)
    rows = reader.rows()
    while batch := list(islice(rows, BATCH)):
        plan.total += len(batch)
        intake = fitter.fit(reader.columns, range(plan.total - len(batch) + 1, plan.total + 1), batch)
        plan.failed += len(intake.refused)
        for refused in intake.refused:
            plan.codes[refused.code] = plan.codes.get(refused.code, 0) + 1
        left = _SHOWN - len(plan.first_refused)
        plan.first_refused += [(r.number, r.code, r.message) for r in intake.refused[:left]]
        if ready.schema.key is None:
            plan.created += len(intake.data)
        else:
            staged.add(_actions(store, ready.dataset, intake))
    counts = staged.counts()
    plan.created += counts.get(CREATED, 0)
    plan.updated, plan.unchanged = counts.get(UPDATED, 0), counts.get(UNCHANGED, 0)
    plan.superseded = plan.total - plan.failed - plan.created - plan.updated - plan.unchanged
    plan.new_columns = [name for name in fitter.columns if ready.dataset and name not in ready.dataset.columns]
    return plan


def _actions(store: Store, dataset: Dataset | None, intake: ImportBatch) -> list[tuple[str, str]]:
    """What each line would do to the record that its key names."""
    known = store.datasets.current(dataset, list(dict.fromkeys(intake.keys))) if dataset else {}
    actions = []
    for key, line in zip(intake.keys, intake.data, strict=True):
        if key not in known:
            actions.append((key, CREATED))
            continue
        before = known[key][1]
        data = line if intake.covered is None else overlaid(before, line, intake.covered)
        actions.append((key, UNCHANGED if data == before else UPDATED))
    return actions
