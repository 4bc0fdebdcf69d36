"""``rowmill.enrich``: one call, the whole job, on the local store."""

import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rowmill.api.inputs import EnrichmentInput
from rowmill.api.specs import enrichment_spec
from rowmill.client.enrichment import Enrichment, told
from rowmill.client.errors import ClientError, Conflict
from rowmill.client.jobs import Job, Jobs
from rowmill.client.tables import Table, lines_of
from rowmill.client.transport import Sync
from rowmill.core.errors import UsageError
from rowmill.core.job import Job as StoredJob
from rowmill.core.status import JobStatus
from rowmill.jobs import control
from rowmill.jobs.spec import About, FileSource, JobSpec, NamedSource, PythonStep, Source, StepSpec
from rowmill.jobs.submit.submit import Submission, submit
from rowmill.ledger.opening import default_home
from rowmill.local import functions
from rowmill.local.remedies import advised
from rowmill.local.store import LocalStore
from rowmill.local.transport import SyncLocal

_PAUSED_WITHIN = 60.0
_stores: dict[tuple[int, Path], LocalStore] = {}
_guard = threading.Lock()


@advised()
def run(table: Table, options: Enrichment, *, home: str | Path | None, new: bool, progress: bool) -> Job[Sync]:
    """See ``rowmill.enrich``."""
    local = _shared(home)
    transport = SyncLocal(local)
    asked = told(options, transport.named)
    if not asked.steps:
        raise UsageError("There is nothing to do with the rows.", "Give one of prompt, url and function.")
    submission = _submitted(local, asked.document, table, new=new)
    job = submission.job
    if submission.found and progress:
        _say(_found(job))
    if job.status in (JobStatus.PAUSED, JobStatus.FAILED) or job.stopping:
        control.resume(local.store, job)
    local.work(job.id)
    return _followed(Jobs(transport), job, progress=progress)


def _followed(jobs: Jobs[Sync], job: StoredJob, *, progress: bool) -> Job[Sync]:
    """The job once it is over. Ctrl-C pauses it."""
    try:
        ended = jobs.watch(job.id) if progress else jobs.wait(job.id)
    except KeyboardInterrupt:
        _say("Pausing: rows in flight are being finished. Ctrl-C again leaves them; saved rows stay saved.")
        try:
            with suppress(Conflict):  # it has just ended
                jobs.pause(job.id)
            with suppress(ClientError):
                jobs.wait(job.id, timeout=_PAUSED_WITHIN)
        finally:
            _say(f"The same call goes on with {job.id}{_or_command(job)}.")
        raise
    if ended.status != "completed":
        ended.check()
    return ended


def _spec(document: Mapping[str, Any], source: Source, *, new: bool) -> JobSpec:
    try:
        asked = EnrichmentInput.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part not in ("prompt", "http", "python"))
        raise UsageError(f"{place}: {first['msg']}.", "Mend it and call again.") from error
    spec = enrichment_spec(asked, source, About(asked.name, dict(asked.metadata), new=new))
    return replace(spec, steps=tuple(map(_findable, spec.steps)))


def _findable(step: StepSpec) -> StepSpec:
    """Remembers where a function's module was found, so that ``rowmill resume`` finds it, too."""
    if not isinstance(step, PythonStep) or _is_own(step.function):
        return step
    return replace(step, path=(str(Path(sys.path[0] or ".").absolute()),))


def _submitted(local: LocalStore, document: Mapping[str, Any], table: Table, *, new: bool) -> Submission:
    """The job, new or of an earlier call."""
    if isinstance(table, str | Path):
        return _taken_in(local, _spec(document, NamedSource(str(table)), new=new))
    with closing(lines_of(table)) as lines:  # in the caller's thread, to which what it iterates over may belong
        return _taken_in(local, _spec(document, FileSource(str(lines.path), "jsonl", "rows"), new=new))


def _taken_in(local: LocalStore, spec: JobSpec) -> Submission:
    """Ctrl-C stops the reading between two batches only: in the middle of a transaction it could leave a lock
    behind."""
    interrupted = threading.Event()

    def tell(rows: int) -> None:
        if interrupted.is_set():
            raise UsageError("It was interrupted.")

    with ThreadPoolExecutor(1, "rowmill-submit") as pool:
        future = pool.submit(submit, local.store, local.context.engine, spec, tell)
        try:
            return future.result()
        except KeyboardInterrupt:
            interrupted.set()
            raise


def _shared(home: str | Path | None) -> LocalStore:
    """The store at ``home``, which all calls of this process share; it stays open for the jobs that were given out."""
    place = Path(home).absolute() if home else None
    key = (os.getpid(), place or default_home())
    with _guard:
        if key not in _stores or _stores[key].closed:
            _stores[key] = LocalStore(place)
        return _stores[key]


def _found(job: StoredJob) -> str:
    if job.status is JobStatus.COMPLETED:
        return f"{job.id} is this same call and completed; its results are used again (new=True starts afresh)."
    left = job.counts.unprocessed or 0
    return f"{job.id} is this same call; going on with the {left:,} rows left (new=True starts afresh)."


def _or_command(job: StoredJob) -> str:
    return (
        ""
        if any(_is_own(step.config.get("function")) for step in job.steps)
        else f", and so does: rowmill resume {job.id}"
    )


def _is_own(function: str | None) -> bool:
    return (function or "").startswith(f"{functions.__name__}:")


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
