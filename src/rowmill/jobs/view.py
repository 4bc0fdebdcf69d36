"""Jobs, rows and datasets as every interface shows them."""

import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from rowmill.core.job import Attempt, Execution, Job, JobError, Row, Settings, Step
from rowmill.core.messages import Remedies
from rowmill.core.money import dollars
from rowmill.core.progress import eta, rate
from rowmill.core.status import JobStatus, JobType, WaitingFor
from rowmill.core.timestamps import utc
from rowmill.ledger.store import Store
from rowmill.shapes import datasets as dataset_shapes
from rowmill.shapes import jobs as job_shapes
from rowmill.shapes import rows as row_shapes
from rowmill.tables.dataset import Dataset
from rowmill.tables.filenames import download_name

if TYPE_CHECKING:
    from rowmill.jobs.datasets import Record  # loads what reads tables, for which most commands have no use

HIDDEN = "[hidden]"
_SECRET = re.compile(r"auth|cookie|key|password|secret|token", re.I)
"""Names of headers and of query parameters that may hold a secret."""

_QUERY_VALUE = re.compile(r"([?&][^=&#]*)=[^&#]*")


def job_view(job: Job, now: float, remedies: Remedies, executions: list[Execution] | None = None) -> job_shapes.Job:
    """``job`` at the moment ``now`` (Unix seconds), with the advice of one interface about its error, and with its
    ``executions`` if they were asked for."""
    counts = job.counts
    pace = pace_of(job, now)
    imports = job.type is JobType.IMPORT
    return job_shapes.Job(
        id=job.id,
        type=job.type,
        name=job.name,
        status=job.status,
        pause_reason=job.pause_reason,
        needs_attention=job.needs_attention,
        error=_error(job.error, remedies) if job.error else None,
        total=counts.total,
        processed=counts.processed,
        succeeded=counts.succeeded,
        failed=counts.failed,
        skipped=counts.skipped,
        unprocessed=counts.unprocessed,
        tokens_in=job.tokens_in,
        tokens_out=job.tokens_out,
        cost_usd=dollars(job.cost) if job.priced else None,
        created_at=utc(job.created_at),
        started_at=utc(job.started_at),
        finished_at=utc(job.finished_at),
        duration_seconds=round(_worked(job, now), 3),
        dataset=job.dataset_id,
        metadata=job.metadata,
        stopping=job.stopping,
        interrupted=job.interrupted,
        waiting_for=_waiting_for(job),
        running=job.running,
        uncertain=job.uncertain,
        progress=counts.progress,
        rate=pace,
        eta_seconds=eta(counts.unprocessed, pace) if job.pace else None,
        created=job.changes.created if imports else None,
        updated=job.changes.updated if imports else None,
        unchanged=job.changes.unchanged if imports else None,
        concurrency=job.settings.concurrency,
        settings=_settings(job.settings),
        steps=[_step(step) for step in job.steps],
        source=job_shapes.Source(job.source.name, job.source.format) if job.source else None,
        extract=_extract(job),
        output=_output(job),
        file=_file(job),
        executions=None if executions is None else [_execution(each) for each in executions],
    )


def row_view(row: Row, columns: list[str], *, priced: bool) -> row_shapes.Row:
    """``row`` with the values of its dataset's ``columns``; ``priced`` says whether the price of its job's calls is
    known."""
    return row_shapes.Row(
        number=row.number,
        record=row.record,
        status=row.status,
        values=dict(zip(columns, row.values, strict=False)),
        output=row.output,
        error=row_shapes.RowError(row.code, row.message) if row.code else None,
        attempts=[_attempt(attempt, priced=priced) for attempt in row.attempts],
    )


def dataset_view(dataset: Dataset, result_columns: list[str] | None = None) -> dataset_shapes.Dataset:
    """``dataset``, with the columns that jobs have added if they were asked for."""
    return dataset_shapes.Dataset(
        id=dataset.id,
        name=dataset.name,
        rows=dataset.rows,
        columns=dataset.columns,
        key=dataset.schema.key,
        fields=[dataset_shapes.Field(f.name, f.type, f.required, list(f.values)) for f in dataset.schema.fields],
        revision=dataset.revision,
        created_at=utc(dataset.created_at),
        result_columns=result_columns,
    )


def record_view(store: Store, dataset: Dataset, record: "Record") -> dataset_shapes.RecordHistory:
    """``record`` with its versions and results."""
    jobs = {result.job: store.browse.job(result.job) for result in record.results}
    return dataset_shapes.RecordHistory(
        record=record.number,
        versions=[
            dataset_shapes.Version(
                version.revision, version.superseded, dict(zip(dataset.columns, version.values, strict=False))
            )
            for version in record.versions
        ],
        results=[
            dataset_shapes.Result(
                job=result.job_id,
                execution=result.execution,
                row=result.row,
                step_versions=[step.version for step in jobs[result.job].steps],
                model=next((step.model for step in jobs[result.job].steps if step.model), None),
                output=result.output,
            )
            for result in record.results
        ],
    )


def pace_of(job: Job, now: float) -> float | None:
    """Rows per second of late; ``None`` where the job does not run or it is too early to tell."""
    if job.pace is None or job.interrupted or job.status is not JobStatus.RUNNING:
        return None
    return rate(job.counts.processed, job.pace.rate_sample_processed, now - job.pace.rate_sample_at)


def _error(error: JobError, remedies: Remedies) -> job_shapes.JobError:
    return job_shapes.JobError(error.code, error.message, error.advice(remedies))


def _step(step: Step) -> job_shapes.Step:
    """``step`` without directories of this machine, and without secrets that were written out in a header of an HTTP
    request or in its address."""
    config = step.config
    if step.processor == "python":
        config = {name: value for name, value in config.items() if name != "path"}
    if step.processor == "http":
        headers = {
            name: value if "${" in value or not _SECRET.search(name) else HIDDEN
            for name, value in config.get("headers", {}).items()
        }
        url = _QUERY_VALUE.sub(
            lambda found: found[0] if not _SECRET.search(found[1]) else f"{found[1]}={HIDDEN}", config["url"]
        )
        config = {**config, "headers": headers, "url": url}
    price = job_shapes.Price(dollars(step.price.tokens_in), dollars(step.price.tokens_out)) if step.price else None
    return job_shapes.Step(step.name, step.processor, config, step.outputs, step.inputs, price)


def _settings(settings: Settings) -> job_shapes.Settings:
    shown = asdict(settings)
    budget = shown.pop("budget")
    return job_shapes.Settings(**shown, budget_usd=None if budget is None else dollars(budget))


def _execution(execution: Execution) -> job_shapes.Execution:
    times = {"started_at": utc(execution.started_at), "finished_at": utc(execution.finished_at)}
    return job_shapes.Execution(**asdict(execution) | times)


def _extract(job: Job) -> job_shapes.ExportSpec | None:
    extract = job.extract
    if extract is None:
        return None
    columns = [job_shapes.ExportedColumn(column, name) for column, name in extract.columns]
    return job_shapes.ExportSpec(extract.origin_id, extract.only, columns, extract.safe_cells)


def _output(job: Job) -> job_shapes.Destination | None:
    """Where the file is written; a download has a name but no path."""
    if job.output is None:
        return None
    if job.type is JobType.EXPORT and job.file:
        return job_shapes.Destination(download_name(job.name, job.output.format), job.output.format, overwrite=False)
    return job_shapes.Destination(**asdict(job.output))


def _file(job: Job) -> str | None:
    """The upload or download; a cancelled export has none."""
    return None if job.type is JobType.EXPORT and job.status is JobStatus.CANCELLED else job.file


def _attempt(attempt: Attempt, *, priced: bool) -> row_shapes.Attempt:
    return row_shapes.Attempt(
        step=attempt.step,
        attempt=attempt.number,
        started_at=utc(attempt.started_at),
        duration_seconds=round(attempt.duration, 3),
        outcome=attempt.outcome,
        error=row_shapes.RowError(attempt.code, attempt.message) if attempt.code else None,
        tokens_in=attempt.usage.tokens_in,
        tokens_out=attempt.usage.tokens_out,
        usage=row_shapes.AttemptUsage(**asdict(attempt.usage)),
        cost_usd=dollars(attempt.cost) if priced else None,
    )


def _worked(job: Job, now: float) -> float:
    """Seconds that executions took, the current one included."""
    running = job.pace is not None and not job.interrupted
    return job.worked + (now - job.pace.started_at if job.pace and running else 0.0)


def _waiting_for(job: Job) -> WaitingFor | None:
    if job.status is JobStatus.PENDING:
        return WaitingFor.WORKER
    return WaitingFor.IN_FLIGHT if job.stopping and not job.interrupted else None
