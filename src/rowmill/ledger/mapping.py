"""How records become lines of the database, and lines records."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

import orjson

from rowmill.core.commit import Task
from rowmill.core.errors import IllegalTransition, NotFound, UsageError
from rowmill.core.job import Attempt, Job, JobDraft, JobError, Output, Owner, Pace, Settings, Step
from rowmill.core.messages import Message
from rowmill.core.money import Price
from rowmill.core.outcome import Usage
from rowmill.core.progress import Counts
from rowmill.core.status import Action, JobStatus, JobType, PauseReason, sources
from rowmill.core.transfer import Changes, ExportSpec, Position, Source
from rowmill.db.database import DbRow, Transaction
from rowmill.db.values import dump, load_or_none
from rowmill.tables.dataset import Dataset
from rowmill.tables.schema import schema_of


def spec_of(draft: JobDraft) -> str:
    spec = {"steps": draft.steps, "output": draft.output}
    return dump({**spec, "source": draft.source, "extract": draft.extract})


_JOB_FIELDS = {
    "pk": "j.pk",
    "id": "j.id",
    "type": "j.type",
    "name": "j.name",
    "status": "j.status",
    "pause_reason": "j.pause_reason",
    "requested_action": "j.requested_action",
    "error": "j.error",
    "dismissed": "j.dismissed",
    "tolerated": "j.tolerated",
    "spec": "j.spec",
    "settings": "j.settings",
    "delivered": "j.delivered",
    "dataset": "j.dataset",
    "dataset_id": "d.id",
    "revision": "j.revision",
    "result_version": "j.result_version",
    "position": "j.position",
    "metadata": "j.metadata",
    "file": "j.file",
    "detached": "j.detached",
    "created": "j.created",
    "updated": "j.updated",
    "unchanged": "j.unchanged",
    "seq": "j.seq",
    "total": "j.total",
    "succeeded": "j.succeeded",
    "failed": "j.failed",
    "skipped": "j.skipped",
    "uncertain": "j.uncertain",
    "running": "(SELECT count(*) FROM slots WHERE slots.job = j.pk)",
    "tokens_in": "j.tokens_in",
    "tokens_out": "j.tokens_out",
    "cost": "j.cost",
    "created_at": "j.created_at",
    "started_at": "j.started_at",
    "finished_at": "j.finished_at",
    "engine": "c.engine",
    "pid": "e.pid",
    "execution_started_at": "x.started_at",
    "rate_sample_at": "x.rate_sample_at",
    "rate_sample_processed": "x.rate_sample_processed",
    "worked": """(SELECT coalesce(sum(finished_at - started_at), 0) FROM executions WHERE executions.job = j.pk)""",
}

JOB_SQL = f"""
SELECT {", ".join(_JOB_FIELDS.values())} FROM jobs j
JOIN datasets d ON d.pk = j.dataset
LEFT JOIN executions x ON x.job = j.pk AND x.finished_at IS NULL
LEFT JOIN claims c ON c.job = j.pk
LEFT JOIN engines e ON e.id = c.engine
"""  # noqa: S608 - constants only


ENGINE_FIELD = list(_JOB_FIELDS).index("engine")
"""Where a line of ``JOB_SQL`` names the engine that holds the job; ``None`` if none does."""


def job_of(line: DbRow, alive: Collection[str]) -> Job:
    """A line of ``JOB_SQL`` as a job. ``alive`` holds the engines that are alive, at least of those in the line."""
    of = dict(zip(_JOB_FIELDS, line, strict=True))
    spec = orjson.loads(of["spec"])
    return Job(
        pk=of["pk"],
        id=of["id"],
        type=JobType(of["type"]),
        name=of["name"],
        status=JobStatus(of["status"]),
        pause_reason=PauseReason(of["pause_reason"]) if of["pause_reason"] else None,
        requested_action=Action(of["requested_action"]) if of["requested_action"] else None,
        error=JobError(**orjson.loads(of["error"])) if of["error"] else None,
        dismissed=bool(of["dismissed"]),
        counts=Counts(of["total"], of["succeeded"], of["failed"], of["skipped"]),
        uncertain=of["uncertain"],
        running=of["running"],
        tokens_in=of["tokens_in"],
        tokens_out=of["tokens_out"],
        cost=of["cost"],
        seq=of["seq"],
        dataset=of["dataset"],
        dataset_id=of["dataset_id"],
        steps=[step_of(step) for step in spec["steps"]],
        settings=settings_of(of["settings"]),
        output=Output(**spec["output"]) if spec["output"] else None,
        delivered=of["delivered"],
        revision=of["revision"],
        result_version=of["result_version"],
        source=Source(**spec["source"]) if spec.get("source") else None,
        extract=ExportSpec(**spec["extract"]) if spec.get("extract") else None,
        position=position_of(of["position"]),
        changes=Changes(of["created"], of["updated"], of["unchanged"]),
        created_at=of["created_at"],
        started_at=of["started_at"],
        finished_at=of["finished_at"],
        owner=Owner(of["engine"], of["pid"], of["engine"] in alive) if of["engine"] else None,
        pace=Pace(of["execution_started_at"], of["rate_sample_at"], of["rate_sample_processed"])
        if of["execution_started_at"] is not None
        else None,
        worked=of["worked"],
        metadata=orjson.loads(of["metadata"]),
        file=of["file"],
        detached=bool(of["detached"]),
        tolerated=of["tolerated"],
    )


def step_of(kept: dict[str, Any]) -> Step:
    price = kept.get("price")
    return Step(**{**kept, "price": Price(**price) if price else None})


def models_of(spec: str) -> tuple[str, ...]:
    """What each step's usage is noted under: its model, or its processor where it has none."""
    steps = map(step_of, orjson.loads(spec)["steps"])
    return tuple(step.model or step.processor for step in steps)


@lru_cache
def settings_of(text: str) -> Settings:
    return Settings(**orjson.loads(text))


def position_of(text: str | None) -> Position:
    return Position(**orjson.loads(text)) if text else Position()


DATASET_FIELDS = "pk, id, name, named, columns, rows, revision, result_version, schema, content_hash, created_at"
DATASET_SQL = f"SELECT {DATASET_FIELDS} FROM datasets"  # noqa: S608 - constants only


def dataset_of(line: DbRow) -> Dataset:
    pk, id_, name, named, columns, rows, revision, result_version, schema, content_hash, created_at = line
    return Dataset(
        pk,
        id_,
        name,
        bool(named),
        orjson.loads(columns),
        rows,
        revision,
        result_version,
        schema_of(load_or_none(schema)),
        content_hash,
        created_at,
    )


ATTEMPT_COLUMNS = "step, attempt, started_at, duration, code, message, tokens_in, tokens_out, cost, usage"
"""The columns that ``outcomes`` and ``attempts`` have in common."""

INSERT_OUTCOME = f"""
INSERT INTO outcomes (job, number, seq, status, output, {ATTEMPT_COLUMNS})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # noqa: S608 - constants only

_DETAILS = [field.name for field in fields(Usage) if field.name not in ("tokens_in", "tokens_out")]
_details_of = attrgetter(*_DETAILS)


def attempt_of(outcome: str, line: Sequence[Any]) -> Attempt:
    """An attempt from its outcome and the values of ``ATTEMPT_COLUMNS``."""
    step, number, started_at, duration, code, message, tokens_in, tokens_out, cost, details = line
    usage = Usage(tokens_in, tokens_out, **orjson.loads(details)) if details else Usage(tokens_in, tokens_out)
    return Attempt(step, number, started_at, duration, outcome, code, message, usage, cost)


def attempt_row(attempt: Attempt) -> DbRow:
    """The values of ``ATTEMPT_COLUMNS``."""
    usage, details = attempt.usage, None
    if any(values := _details_of(usage)):
        details = dump({name: value for name, value in zip(_DETAILS, values, strict=True) if value})
    return (
        attempt.step,
        attempt.number,
        attempt.started_at,
        attempt.duration,
        attempt.code,
        attempt.message,
        usage.tokens_in,
        usage.tokens_out,
        attempt.cost,
        details,
    )


def task_of(number: int, step: int, attempts: int, crashes: int, carried: str | None) -> Task:
    return Task(number, step, attempts, crashes, load_or_none(carried), deferred=True)


def refuse(tx: Transaction, pk: int, verb: Action) -> UsageError:
    """The error that says why ``verb`` changed nothing."""
    lines = tx.execute("SELECT status FROM jobs WHERE pk = ?", (pk,))
    if not lines:
        return NotFound(Message.JOB_DELETED)
    return IllegalTransition(verb.value, lines[0][0], [s.value for s in sources(verb)])
