"""Jobs and rows as the objects that every interface shows: ``--json`` here, the HTTP API later."""

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rowmill.core.job import Attempt, Execution, Job, JobError, Row, Step
from rowmill.core.messages import Remedies
from rowmill.core.money import dollars
from rowmill.core.progress import eta, rate
from rowmill.core.status import JobStatus, JobType
from rowmill.core.timestamps import moment
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset
from rowmill.tables.filenames import download_name

if TYPE_CHECKING:
    from rowmill.jobs.datasets import Record  # loads what reads tables, for which most commands have no use

HIDDEN = "[hidden]"
_SECRET = re.compile(r"auth|cookie|key|password|secret|token", re.I)
"""Names of headers and of query parameters that may hold a secret."""

_QUERY_VALUE = re.compile(r"([?&][^=&#]*)=[^&#]*")


def job_view(job: Job, now: float, remedies: Remedies, executions: list[Execution] | None = None) -> dict[str, Any]:
    """``job`` as JSON shows it, with the advice of one interface about its error. ``executions`` are left out where
    they were not asked for."""
    counts = job.counts
    pace = pace_of(job, now)
    view = {
        "id": job.id,
        "type": job.type,
        "name": job.name,
        "status": job.status,
        "stopping": job.stopping,
        "interrupted": job.interrupted,
        "waiting_for": _waiting_for(job),
        "pause_reason": job.pause_reason,
        "needs_attention": job.needs_attention,
        "error": _error(job.error, remedies) if job.error else None,
        "total": counts.total,
        "processed": counts.processed,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "unprocessed": counts.unprocessed,
        "running": job.running,
        "uncertain": job.uncertain,
        "progress": counts.progress,
        "rate": pace,
        "eta_seconds": eta(counts.unprocessed, pace) if job.pace else None,
        "tokens_in": job.tokens_in,
        "tokens_out": job.tokens_out,
        "cost_usd": dollars(job.cost) if job.priced else None,
        **(asdict(job.changes) if job.type is JobType.IMPORT else {}),
        "concurrency": job.settings.concurrency,
        "settings": _settings(job),
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "finished_at": moment(job.finished_at),
        "duration_seconds": round(_worked(job, now), 3),
        "dataset": job.dataset_id,
        "steps": [_step(step) for step in job.steps],
        "source": {"file": job.source.name, "format": job.source.format} if job.source else None,
        "extract": _extract(job),
        "output": _output(job),
        "file": _file(job),
        "metadata": job.metadata,
    }
    if executions is not None:
        view["executions"] = [
            {**asdict(e), "started_at": moment(e.started_at), "finished_at": moment(e.finished_at)} for e in executions
        ]
    return view


def row_view(row: Row, columns: list[str], *, priced: bool) -> dict[str, Any]:
    """``row`` as JSON knows it; ``columns`` are those of its dataset, and ``priced`` says whether its job's calls have
    a known price."""
    return {
        "number": row.number,
        "record": row.record,
        "status": row.status,
        "values": dict(zip(columns, row.values, strict=False)),
        "output": row.output,
        "error": {"code": row.code, "message": row.message} if row.code else None,
        "attempts": [_attempt(attempt, priced=priced) for attempt in row.attempts],
    }


def dataset_view(dataset: Dataset) -> dict[str, Any]:
    """``dataset`` as JSON knows it."""
    schema = dataset.schema.as_json()
    return {
        "id": dataset.id,
        "name": dataset.name,
        "rows": dataset.rows,
        "columns": dataset.columns,
        "key": schema["key"],
        "fields": schema["fields"],
        "revision": dataset.revision,
        "created_at": moment(dataset.created_at),
    }


def record_view(store: Store, dataset: Dataset, record: "Record") -> dict[str, Any]:
    """``record`` with its versions and results as JSON knows it."""
    jobs = {result.job: store.browse.job(result.job) for result in record.results}
    return {
        "record": record.number,
        "versions": [
            {
                "revision": version.revision,
                "superseded": version.superseded,
                "values": dict(zip(dataset.columns, version.values, strict=False)),
            }
            for version in record.versions
        ],
        "results": [
            {
                "job": result.job_id,
                "execution": result.execution,
                "row": result.row,
                "step_versions": [step.version for step in jobs[result.job].steps],
                "model": next((step.model for step in jobs[result.job].steps if step.model), None),
                "output": result.output,
            }
            for result in record.results
        ],
    }


def pace_of(job: Job, now: float) -> float | None:
    """Rows per second of late; ``None`` where the job does not run or it is too early to tell."""
    if job.pace is None or job.interrupted or job.status is not JobStatus.RUNNING:
        return None
    return rate(job.counts.processed, job.pace.rate_sample_processed, now - job.pace.rate_sample_at)


def _error(error: JobError, remedies: Remedies) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.advice(remedies)}


def _step(step: Step) -> dict[str, Any]:
    """``step`` with its price in dollars per million tokens, without directories of this machine, and without what
    was written out as a secret in a header of an HTTP request or behind its address."""
    view = asdict(step)
    if step.price:
        view["price"] = {"input": dollars(step.price.tokens_in), "output": dollars(step.price.tokens_out)}
    if step.processor == "python":
        view["config"] = {name: value for name, value in step.config.items() if name != "path"}
    if step.processor == "http":
        headers = {
            name: value if "${" in value or not _SECRET.search(name) else HIDDEN
            for name, value in step.config.get("headers", {}).items()
        }
        url = _QUERY_VALUE.sub(lambda found: found[0] if not _SECRET.search(found[1]) else f"{found[1]}={HIDDEN}",
                               step.config["url"])  # fmt: skip
        view["config"] = {**step.config, "headers": headers, "url": url}
    return view


def _extract(job: Job) -> dict[str, Any] | None:
    extract = job.extract
    if extract is None:
        return None
    columns = [{"column": column, "as": name} for column, name in extract.columns]
    return {"job": extract.origin_id, "only": extract.only, "columns": columns, "safe_cells": extract.safe_cells}


def _file(job: Job) -> str | None:
    """The upload or download; a cancelled export makes none."""
    return None if job.type is JobType.EXPORT and job.status is JobStatus.CANCELLED else job.file


def _output(job: Job) -> dict[str, Any] | None:
    """Where the file goes; a download has a name and no place."""
    if job.output is None:
        return None
    if job.type is JobType.EXPORT and job.file:
        name = download_name(job.name, job.output.format)
        return {"path": name, "format": job.output.format, "overwrite": False}
    return asdict(job.output)


def _attempt(attempt: Attempt, *, priced: bool) -> dict[str, Any]:
    return {
        "step": attempt.step,
        "attempt": attempt.number,
        "started_at": moment(attempt.started_at),
        "duration_seconds": round(attempt.duration, 3),
        "outcome": attempt.outcome,
        "error": {"code": attempt.code, "message": attempt.message} if attempt.code else None,
        "tokens_in": attempt.tokens_in,
        "tokens_out": attempt.tokens_out,
        "cost_usd": dollars(attempt.cost) if priced else None,
    }


def _settings(job: Job) -> dict[str, Any]:
    settings = asdict(job.settings)
    budget = settings.pop("budget")
    return {**settings, "budget_usd": None if budget is None else dollars(budget)}


def _worked(job: Job, now: float) -> float:
    """Seconds that executions took, the one under way included."""
    running = job.pace is not None and not job.interrupted
    return job.worked + (now - job.pace.started_at if job.pace and running else 0.0)


def _waiting_for(job: Job) -> str | None:
    if job.status is JobStatus.PENDING:
        return "an engine"
    return "rows in flight" if job.stopping and not job.interrupted else None
