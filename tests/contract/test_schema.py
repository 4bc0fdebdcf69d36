"""What the schema refuses, whatever the code does. Its lists of values are compared with the enums of the code."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import pytest

from rowmill.core.access import Access
from rowmill.core.errors import StoreError
from rowmill.core.status import TRANSITIONS, Action, JobStatus, JobType, PauseReason, RowStatus
from rowmill.core.usage import UsageLimits
from rowmill.ledger.store import Store
from rowmill.shapes.webhooks import DeliveryStatus
from rowmill.webhooks.delivery import EVENT_TYPES

Line = Mapping[str, Any]

_USED = {"tokens_in": 0, "tokens_out": 0, "cost": 0}
_TRIED = {"step": 0, "attempt": 1, "started_at": 1.0, "duration": 0.1, **_USED}
LINES: dict[str, Line] = {
    "datasets": {"id": "ds_1", "name": "people", "columns": "[]", "rows": 0, "created_at": 1.0},
    "jobs": {
        "id": "job_1", "type": "import", "name": "people", "status": "pending", "dismissed": 0, "touched_only": 0,
        "identity": "", "spec": "{}", "settings": "{}", "dataset": 1, "generation": 1, "seq": 1, "total": 6,
        "succeeded": 1, "failed": 2, "skipped": 3, "uncertain": 0, "created_at": 1.0, **_USED,
    },
    "executions": {
        "job": 1, "number": 1, "engine": "eng_1", "started_at": 1.0, "began_with": 0, "mark_at": 1.0,
        "mark_processed": 0, "rate_sample_at": 1.0, "rate_sample_processed": 0, "uncertain": 0,
    },
    "claims": {"job": 1, "generation": 1, "engine": "eng_1"},
    "chunks": {"job": 1, "hi": 1, "lo": 1},
    "slots": {"job": 1, "generation": 1, "slot": 0, "number": 1, "step": 0, "attempts": 0, "crashes": 0},
    "deferred": {"job": 1, "number": 1, "due_at": 0, "generation": 1, "step": 0, "attempts": 0, "crashes": 0},
    "outcomes": {"job": 1, "number": 1, "seq": 1, "status": "succeeded", **_TRIED},
    "spans": {"job": 1, "lo": 1, "hi": 1, "status": "succeeded"},
    "usage": {"day": "2026-11-30", "model": "m", "job": "job_1", "rows": 1, "attempts": 1, **_USED},
    "usage_limits": {"name": "rows_per_month", "amount": 0},
    "events": {"type": "job.created", "job": "job_1", "job_type": "import", "status": "pending", "at": 1.0},
    "webhooks": {
        "id": "whk_1", "url": "http://a", "events": "[]", "secret": "s", "active": 1, "after": 0, "revision": 1,
        "created_at": 1.0,
    },
    "deliveries": {
        "id": "msg_1", "webhook": "whk_1", "event": 0, "type": "t", "payload": "{}", "status": "pending", "tries": 0,
        "due_at": 1.0, "created_at": 1.0,
    },
    "delivery_attempts": {"delivery": 1, "number": 1, "at": 1.0, "duration": 0.1},
    "tokens": {"id": "tok_1", "name": "t", "scope": "read", "hash": "h", "created_at": 1.0},
    "connections": {"id": "con_1", "name": "c", "provider": "openai", "revision": 1, "created_at": 1.0},
    "files": {"id": "file_1", "name": "f", "created_at": 1.0},
}  # fmt: skip
"""A line that each table takes."""

PAUSED = {"status": "paused", "pause_reason": "user"}
PAUSING = {"status": "running", "requested_action": "pause", "requested_reason": "user"}
ENDED = {"finished_at": 2.0}
NOT_DUE = {"due_at": None}

_ENDED_AS = {to for (before, _), to in TRANSITIONS.items() if to and before is JobStatus.RUNNING} - {JobStatus.RUNNING}
LISTS: dict[tuple[str, str], tuple[Iterable[str], Line, Mapping[str, Line]]] = {
    # What the column may hold; what any of these goes with, and what some of them go with.
    ("jobs", "type"): (JobType, {}, {}),
    ("jobs", "status"): (
        JobStatus, {}, {"paused": PAUSED, "completed": ENDED, "failed": ENDED, "cancelled": ENDED},
    ),
    ("jobs", "pause_reason"): (PauseReason, PAUSED, {}),
    ("jobs", "requested_action"): ({Action.PAUSE, Action.CANCEL}, PAUSING, {}),
    ("jobs", "requested_reason"): (PauseReason, PAUSING, {}),
    ("executions", "ended_as"): ({*_ENDED_AS, "crashed"}, ENDED, {}),
    ("outcomes", "status"): (set(RowStatus) - {RowStatus.PENDING, RowStatus.RUNNING}, {}, {}),
    ("spans", "status"): ({RowStatus.SUCCEEDED, RowStatus.SKIPPED}, {}, {}),
    ("usage_limits", "name"): ({f"{field.name}_per_month" for field in fields(UsageLimits)}, {}, {}),
    ("events", "type"): (EVENT_TYPES, {}, {}),
    ("events", "job_type"): (JobType, {}, {}),
    ("events", "status"): (JobStatus, {}, {"paused": PAUSED}),
    ("events", "pause_reason"): (PauseReason, PAUSED, {}),
    ("deliveries", "status"): (DeliveryStatus, {}, {"delivered": NOT_DUE, "failed": NOT_DUE}),
    ("tokens", "scope"): (Access, {}, {}),
}  # fmt: skip

VALUES = sorted({"", "Running", "none", *(str(value) for values, _, _ in LISTS.values() for value in values)})
"""Every value that any of the columns may hold, and some that none may."""

REFUSED: list[tuple[str, Line]] = [
    ("jobs", {"status": "paused"}),
    ("jobs", {"pause_reason": "user"}),
    ("jobs", {**PAUSING, "status": "pending"}),
    ("jobs", {**PAUSING, **PAUSED}),
    ("jobs", {**PAUSING, "requested_action": None}),
    ("jobs", {**PAUSING, "requested_reason": None}),
    ("jobs", {"status": "failed"}),
    ("jobs", {"status": "running", **ENDED}),
    ("jobs", {"total": 5}),
    ("jobs", {"total": 7, "status": "completed", **ENDED}),
    ("jobs", {"generation": -1}),
    *(
        ("jobs", {name: -1, "total": 100})
        for name in ("succeeded", "failed", "skipped", "created", "updated", "unchanged", "uncertain", *_USED)
    ),
    *(("jobs", {name: 2}) for name in ("dismissed", "touched_only", "detached")),
    *(("jobs", {name: "{"}) for name in ("spec", "settings", "metadata", "position", "error")),
    ("datasets", {"named": 2}),
    ("datasets", {"rows": -1}),
    *(("datasets", {name: "["}) for name in ("columns", "schema", "profile")),
    ("executions", {"finished_at": 2.0}),
    ("executions", {"ended_as": "crashed"}),
    ("claims", {"generation": 0}),
    ("claims", {"held_rows": -1}),
    ("claims", {"held_cost": -1}),
    ("chunks", {"lo": 2}),
    ("chunks", {"lo": 0}),
    ("chunks", {"generation": 0}),
    ("slots", {"generation": 0}),
    ("deferred", {"generation": 0}),
    ("spans", {"lo": 2}),
    ("spans", {"lo": 0}),
    *(("usage", {name: -1}) for name in ("rows", "attempts", *_USED)),
    ("usage_limits", {"amount": -1}),
    ("events", PAUSED | {"pause_reason": None}),
    ("events", {"pause_reason": "user"}),
    ("webhooks", {"active": 2}),
    ("webhooks", {"events": "["}),
    ("webhooks", {"old_secret": "s"}),
    ("webhooks", {"old_until": 1.0}),
    ("deliveries", NOT_DUE),
    ("deliveries", {"status": "failed"}),
    ("deliveries", {"tries": -1}),
    ("deliveries", {"sender": "eng_1"}),
    ("deliveries", {"sender": "eng_1", "claimed_at": 1.0, "status": "failed", **NOT_DUE}),
    ("delivery_attempts", {"number": 0}),
    ("connections", {"rpm": 0}),
    ("connections", {"tpm": 0}),
    ("connections", {"revision": 0}),
    ("files", {"size": 1}),
    ("files", {"sha256": "00"}),
    ("files", {"size": -1, "sha256": "00"}),
]


def _takes(store: Store, table: str, changes: Line) -> bool:
    """Whether ``table`` takes its line with these changes; a constraint must be why it does not."""
    line = {**LINES[table], **changes}
    marks = ", ".join("?" * len(line))
    try:
        with store.database.transaction() as tx:
            tx.execute(f"INSERT INTO {table} ({', '.join(line)}) VALUES ({marks})", tuple(line.values()))
            raise KeyError(table)  # which undoes it
    except KeyError:
        return True
    except StoreError as error:
        refusal = str(error)
    assert "check constraint" in refusal.lower()
    return False


@pytest.mark.parametrize(("table", "column"), LISTS)
def test_a_column_takes_exactly_the_values_of_its_enum(store: Store, table: str, column: str) -> None:
    allowed, always, with_value = LISTS[table, column]
    taken = {value for value in VALUES if _takes(store, table, {**always, column: value, **with_value.get(value, {})})}
    assert taken == {str(value) for value in allowed}


@pytest.mark.parametrize("table", LINES)
def test_a_line_as_it_should_be_is_taken(store: Store, table: str) -> None:
    assert _takes(store, table, {})


@pytest.mark.parametrize(
    "changes",
    [
        PAUSED,
        PAUSING,
        {"status": "running", "requested_action": "cancel"},
        {**PAUSING, "requested_action": "cancel"},  # a pause was asked for after a cancel
        {"status": "completed", **ENDED},
        {"total": None},
        {"total": 100},
    ],
)
def test_a_job_as_it_may_be_is_taken(store: Store, changes: Line) -> None:
    assert _takes(store, "jobs", changes)


@pytest.mark.parametrize(("table", "changes"), REFUSED)
def test_a_line_that_breaks_a_promise_is_refused(store: Store, table: str, changes: Line) -> None:
    assert not _takes(store, table, changes)
