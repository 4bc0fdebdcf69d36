"""``rowmill.enrich``: one call, the whole job, in this process."""

import os
import sys
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any, Unpack

import jsonschema_rs

from rowmill.client.enrichment import Enrichment, EnrichmentDocument, to_document
from rowmill.client.tables import Table, lines_of
from rowmill.core.errors import UsageError
from rowmill.core.job import Job
from rowmill.core.money import Price, nano
from rowmill.core.status import JobStatus, JobType
from rowmill.jobs import control
from rowmill.jobs.spec import (
    TEXT,
    About,
    FileSource,
    HttpStep,
    JobSpec,
    NamedSource,
    PluginStep,
    PromptStep,
    PythonStep,
    Selection,
    SettingsSpec,
    Source,
    StepSpec,
)
from rowmill.jobs.submit.submit import Progress, submit
from rowmill.ledger.store import Store
from rowmill.local.functions import is_registered, register
from rowmill.local.job import LocalJob
from rowmill.local.remedies import advised
from rowmill.local.run import LocalRun, say


@advised()
def enrich(
    input: Table,  # noqa: A002 - the word of the command line
    *,
    home: str | Path | None = None,
    new: bool = False,
    progress: bool = True,
    **options: Unpack[Enrichment],
) -> LocalJob:
    """Sends every row of ``input`` through a model, an HTTP API or a function in this process, and returns the
    completed job::

        job = rowmill.enrich("reviews.csv", prompt="Good or bad? {{review}}", output={"mood": "good | bad"},
                             model="openai/gpt-5-mini")
        job.results().to_polars()

    ``input`` is the path of a file, the name of a dataset, an iterable of dicts, or a polars, pandas or Arrow table.
    ``options`` say what to do with each row: see ``Enrichment``. ``function`` may be any function; a lambda, or a
    function of a script or notebook, is known to that script or notebook only. Jobs are kept in the store in ``home``
    (default: ``ROWMILL_HOME``), like those of the command line.

    Calling again with the same content, rows and work continues an unfinished job, also after a crash, and returns a
    completed one at no cost; ``new`` starts over. ``progress`` is shown on stderr. Ctrl-C pauses the job.

    Raises ``UsageError`` if something cannot work, and ``JobStopped`` if the job did not complete because it failed or
    a limit paused it. Failed rows raise nothing: the results contain them with their errors.
    """
    document = to_document(options, register)
    with LocalRun(home, progress=progress) as run:

        def begin(reading: Progress) -> Job:
            submission = submit(run.store, run.name, spec, reading)
            if submission.found and progress:
                say(_found(submission.job))
            return _continued(run.store, submission.job)

        try:
            if isinstance(input, str | Path):
                spec = _spec(document, NamedSource(str(input)), new=new)
                ended = run.run(begin)
            else:
                with closing(lines_of(input)) as lines:  # in the caller's thread: an iterable may be bound to it
                    spec = _spec(document, FileSource(str(lines.path), "jsonl", "rows"), new=new)
                    ended = run.run(begin)
        except KeyboardInterrupt:
            if run.job:
                say(f"Call again to continue {run.job.id}{_or_command(run.job)}.")
            raise
        job = LocalJob.read(run.store, ended, home)
    if job.status != "completed":
        job.check()
    return job


def _spec(document: EnrichmentDocument, source: Source, *, new: bool) -> JobSpec:
    """The job that ``document`` asks for, over the rows of ``source``. Raises ``UsageError``."""
    if not document.steps:
        raise UsageError("There is nothing to do with the rows.", "Give one of prompt, url and function.")
    for name, value in document.settings.items():
        whole = name not in ("timeout", "budget_usd")
        if not isinstance(value, int if whole else int | float) or not 0 < value < inf:
            raise UsageError(f"{name} is {value!r}.", f"Give a positive {'integer' if whole else 'number'}.")
    settings = dict(document.settings)
    budget = settings.pop("budget_usd", None)
    about = document.about
    return JobSpec(
        type=JobType.ENRICHMENT,
        source=source,
        steps=tuple(map(_step, document.steps)),
        selection=Selection(about.get("select"), about.get("where"), tuple(about.get("keys", ())), about.get("only")),
        settings=SettingsSpec(budget=None if budget is None else _nano(budget), **settings),
        about=About(about.get("name"), about["metadata"], new=new),
    )


def _step(document: Mapping[str, Any]) -> StepSpec:
    step = dict(document)
    kind = step.pop("processor")
    outputs = step.pop("output", {"result": TEXT})
    for column, schema in outputs.items():
        try:
            jsonschema_rs.validator_for(schema, offline=True)
        except ValueError as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"The column {column!r} has an invalid JSON Schema: {reason}.", "Fix it.") from error
    try:
        match kind:
            case "prompt":
                model = step.pop("model", None) or os.environ.get("ROWMILL_MODEL") or None
                price = step.pop("price", None)
                pinned = Price(_nano(price["input"]), _nano(price["output"])) if price else None
                return PromptStep(**step, model=model, price=pinned, outputs=outputs)
            case "http":
                return HttpStep(**step, outputs=outputs)
            case "python":
                # With the path, `rowmill resume` finds the module, too.
                path = () if is_registered(step["function"]) else (str(Path(sys.path[0] or ".").absolute()),)
                return PythonStep(**step, path=path, outputs=outputs)
        return PluginStep(**{"name": kind, "config": {}, **step}, processor=kind, outputs=outputs)
    except TypeError as error:
        raise UsageError(
            f"A step of the kind {kind!r} does not take all of these: {', '.join(step)}.",
            "See the options of an enrichment.",
        ) from error


def _nano(dollars: float) -> int:
    return nano(Decimal(str(dollars)))


def _continued(store: Store, job: Job) -> Job:
    if job.status in (JobStatus.PAUSED, JobStatus.FAILED) or job.stopping:
        return control.resume(store, job)
    return job


def _found(job: Job) -> str:
    if job.status is JobStatus.COMPLETED:
        return f"The same call was completed by {job.id}; its results are used again (new=True starts over)."
    return f"Continuing {job.id} of the same call: {job.counts.unprocessed or 0:,} rows left (new=True starts over)."


def _or_command(job: Job) -> str:
    own = any(is_registered(str(step.config.get("function", ""))) for step in job.steps)
    return "" if own else f", or run: rowmill resume {job.id}"
