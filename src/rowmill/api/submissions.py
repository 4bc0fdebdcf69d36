"""From what the API is asked for to the service's own requests: jobs of all three types."""

import os
import tempfile
from dataclasses import replace
from decimal import Decimal

import orjson

from rowmill.api.lookup import the_dataset, the_job
from rowmill.api.transfers import submit_export, submit_import
from rowmill.connections.service import qualified
from rowmill.core.errors import StoreError, UsageError
from rowmill.core.job import Job, Step
from rowmill.core.money import Price, nano
from rowmill.engine.engine import processor_of
from rowmill.files.service import format_of, path_of, upload_of
from rowmill.http.context import Context
from rowmill.jobs.submit.enrichments import submit
from rowmill.jobs.submit.request import RunRequest
from rowmill.jobs.submit.steps import step_of
from rowmill.ledger.store import Store
from rowmill.shapes.jobs import (
    EnrichmentInput,
    ExportInput,
    HttpStep,
    ImportInput,
    PluginStep,
    PromptStep,
    PythonStep,
    StepInput,
)

_INPUTS = ("dataset", "file", "rows", "from_job")


def submit_job(context: Context, asked: EnrichmentInput | ImportInput | ExportInput, job_id: str) -> Job:
    """Makes the job that is asked for, under the id that was chosen for it. Raises ``UsageError`` and ``Refused``;
    nothing is left behind then."""
    if isinstance(asked, EnrichmentInput):
        return _submit_enrichment(context, asked, job_id)
    if isinstance(asked, ImportInput):
        return submit_import(context, asked, job_id)
    return submit_export(context, asked, job_id)


def _submit_enrichment(context: Context, asked: EnrichmentInput, job_id: str) -> Job:
    given = [name for name in _INPUTS if getattr(asked, name) is not None]
    if len(given) != 1:
        raise UsageError("A job has one input.", f"Give one of {', '.join(_INPUTS)}.")
    if not asked.steps and asked.from_job is None:
        raise UsageError("There is nothing to do with the rows.", "Give at least one step.")
    _refuse_choice(asked)
    request = enrichment_request(context, asked, job_id)
    store = context.store
    if asked.dataset is not None:
        # By its id: a name could also mean a file in the directory of the server.
        return submit(store, context.engine, replace(request, input=the_dataset(store, asked.dataset).id)).job
    if asked.rows is not None:
        return _submit_rows(context, request, asked.rows)
    if asked.file is not None:
        return _submit_upload(store, context.engine, request, asked.file)
    origin = the_job(store, asked.from_job or "")
    for step in [] if asked.steps else origin.steps:
        context.policy.check_step(step)
    return submit(store, context.engine, request).job


def _refuse_choice(asked: EnrichmentInput) -> None:
    """What only a dataset can be asked for."""
    named = next((name for name in ("where", "keys") if getattr(asked, name) is not None), None)
    if asked.only is not None and asked.from_job is None:
        named = named or "only"
    if named and asked.dataset is None:
        hint = "Take the rows into a dataset by an import first, or leave it out."
        raise UsageError(f"`{named}` chooses records of a dataset.", hint)


def enrichment_request(context: Context, asked: EnrichmentInput, job_id: str | None = None) -> RunRequest:
    """What is asked for, but for its rows. Raises ``UsageError`` and ``Refused`` for steps that cannot work here."""
    steps = tuple(_step(context, step) for step in asked.steps)
    for step in steps:
        processor_of(step, context.store)  # which refuses what cannot work here
    return RunRequest(
        steps=steps,
        only=asked.only,
        rows=asked.select,
        where=asked.where,
        keys=tuple(asked.keys or ()),
        from_job=asked.from_job,
        name=asked.name,
        new=True,
        concurrency=asked.concurrency,
        max_attempts=asked.max_attempts,
        timeout=asked.timeout,
        rpm=asked.rpm,
        tpm=asked.tpm,
        budget=None if asked.budget_usd is None else Decimal(str(asked.budget_usd)),
        metadata=dict(asked.metadata),
        id=job_id,
        held=not asked.start,
        detach=True,
    )


def _submit_rows(context: Context, request: RunRequest, rows: list[dict[str, object]]) -> Job:
    """The rows of the request itself, as a file of JSON Lines that is gone afterwards."""
    try:
        context.store.files.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=context.store.files, prefix="rows.") as file:
            file.writelines(orjson.dumps(row) + b"\n" for row in rows)
            file.flush()
            named = replace(request, input=file.name, input_format="jsonl", input_name="rows")
            return submit(context.store, context.engine, named).job
    except OSError as error:
        raise StoreError(f"The rows cannot be stored: {error.strerror}.", "See to the server's disk.") from error


def _submit_upload(store: Store, engine: str, request: RunRequest, file_id: str) -> Job:
    file = upload_of(store, file_id)
    path = str(path_of(store, file.id))
    named = replace(request, input=path, input_format=format_of(store, file), input_name=file.name)
    return submit(store, engine, named).job


def _step(context: Context, asked: StepInput) -> Step:
    """The step that is asked for, as it is kept with the job. Raises ``Refused`` and ``UsageError``."""
    match asked:
        case PromptStep():
            step = _prompt_step(context, asked)
        case HttpStep():
            step = _http_step(context, asked)
        case PythonStep():
            context.policy.check_function(asked.function)
            path = context.policy.python_path
            step = step_of(RunRequest(processor=asked.function, processor_path=path, outputs=asked.output))
        case PluginStep():
            step = Step(asked.processor, asked.processor, asked.config, asked.output)
    return replace(step, name=asked.name) if asked.name else step


def _prompt_step(context: Context, asked: PromptStep) -> Step:
    model = qualified(context.store, asked.connection, asked.model or os.environ.get("ROWMILL_MODEL") or None)
    context.policy.check_model(model)
    step = step_of(
        RunRequest(
            prompt=asked.prompt,
            system=asked.system,
            model=model,
            connection=asked.connection,
            model_settings=asked.settings,
            outputs=asked.output,
        )
    )
    if asked.price is None:
        return step
    return replace(step, price=Price(_nano(asked.price.input), _nano(asked.price.output)))


def _http_step(context: Context, asked: HttpStep) -> Step:
    context.policy.check_private(asked.allow_private)
    context.policy.check_address(asked.url, asked=asked.allow_private)
    for value in asked.headers.values():
        context.policy.check_variables(value)
    return step_of(
        RunRequest(
            url=asked.url,
            method=asked.method,
            headers=tuple(asked.headers.items()),
            body=asked.body,
            paths=tuple(asked.results.items()),
            allow_private=asked.allow_private,
            outputs=asked.output,
        )
    )


def _nano(dollars: float) -> int:
    return nano(Decimal(str(dollars)))
