"""Makes the jobs that the API is asked for, as far as the server's policy allows them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rowmill.api.inputs import EnrichmentInput, ExportInput, ImportInput
from rowmill.api.lookup import the_dataset, the_job
from rowmill.api.specs import job_spec
from rowmill.connections.service import qualified
from rowmill.core.errors import InputError
from rowmill.core.job import Job
from rowmill.core.status import JobType
from rowmill.http.context import Context
from rowmill.http.policy import Policy
from rowmill.http.problems import ApiError
from rowmill.jobs.spec import (
    DatasetSource,
    FileOutput,
    FileSource,
    HttpStep,
    JobSource,
    JobSpec,
    PromptStep,
    PythonStep,
    StepSpec,
)
from rowmill.jobs.submit.submit import submit
from rowmill.ledger.store import Store
from rowmill.tables.source import Tell, is_url

_LONGEST_FETCH = 60.0
"""Seconds in which what a URL holds has to be here: the request waits for it."""
_fetching = threading.BoundedSemaphore(4)
"""Requests that wait for a URL, of the few dozen that are worked on at a time."""


def submit_job(context: Context, asked: EnrichmentInput | ImportInput | ExportInput, job_id: str) -> Job:
    """Makes the job that is asked for, under the id that was chosen for it. Raises ``UsageError`` and ``ApiError``;
    nothing is left behind then."""
    spec = allowed(context.store, context.policy, job_spec(asked, job_id))
    if isinstance(spec.source, FileSource) and is_url(spec.source.location):
        with _fetch_slot(context.policy) as progress:
            return submit(context.store, context.engine, spec, progress).job
    return submit(context.store, context.engine, spec).job


def allowed(store: Store, policy: Policy, spec: JobSpec) -> JobSpec:
    """``spec`` with what the policy adds to it. Raises ``ApiError`` for what it does not allow, and ``NotFound`` for a
    dataset or job that is not there."""
    match spec.source:
        case DatasetSource(name):
            the_dataset(store, name)
        case JobSource(name):
            origin = the_job(store, name)
            for step in origin.steps if spec.type is JobType.ENRICHMENT and not spec.steps else ():
                policy.check_step(step)
        case FileSource(location) as source if is_url(location):
            policy.check_url(location)
            spec = replace(spec, source=replace(source, guard=policy.guard))
        case FileSource(location) as source:
            spec = replace(spec, source=replace(source, location=str(policy.check_path(location))))
    match spec.output:
        case FileOutput(str(path)) if is_url(path):
            policy.check_url(path)
        case FileOutput(str(path)):
            spec = replace(spec, output=replace(spec.output, path=str(policy.check_path(path))))
    return replace(spec, steps=tuple(_allowed_step(store, policy, step) for step in spec.steps))


def _allowed_step(store: Store, policy: Policy, step: StepSpec) -> StepSpec:
    match step:
        case PromptStep():
            policy.check_model(qualified(store, step.connection, step.model))
        case HttpStep():
            policy.check_private(step.allow_private)
            policy.check_address(step.url, asked=step.allow_private)
            for value in step.headers.values():
                policy.check_variables(value)
        case PythonStep():
            policy.check_function(step.function)
            return replace(step, path=policy.python_path)
    return step


@contextmanager
def _fetch_slot(policy: Policy) -> Iterator[Tell]:
    """One of the few places for requests that fetch from a URL, and the limit of what they may fetch. Raises
    ``ApiError`` if none is free."""
    if not _fetching.acquire(blocking=False):
        raise ApiError("unavailable", "The server fetches from no more URLs at a time.", "Try again soon.")
    until = time.monotonic() + _LONGEST_FETCH

    def check(size: int) -> None:
        if size > policy.max_upload or time.monotonic() > until:
            limits = f"{policy.max_upload:,} bytes and {_LONGEST_FETCH:g} seconds"
            raise InputError(f"What stands there takes more than {limits}.", "Fetch it yourself, and upload it.")

    try:
        yield check
    finally:
        _fetching.release()
