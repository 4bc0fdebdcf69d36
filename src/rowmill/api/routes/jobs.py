"""Jobs: made, listed, shown, changed, updated, deleted."""

from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Response

from rowmill.api import lookup
from rowmill.api.examples import JOBS
from rowmill.api.inputs import JobChange, JobInput, RetryInput
from rowmill.api.submissions import submit_job
from rowmill.core.bounds import NO_LIMIT
from rowmill.core.errors import Busy
from rowmill.core.job import Job, Settings
from rowmill.core.money import nano
from rowmill.core.ranges import parse_ranges
from rowmill.core.status import Action, JobStatus, JobType
from rowmill.http import etags
from rowmill.http.access import ADMIN, READ, RUN
from rowmill.http.answers import Answer
from rowmill.http.context import ContextDep, StoreDep
from rowmill.http.etags import IfMatch, etag_of
from rowmill.http.idempotency import Made, OnceDep
from rowmill.http.paging import Cursor, Limit, Pager
from rowmill.http.problems import responses
from rowmill.http.remedies import REMEDIES
from rowmill.jobs import control, retention
from rowmill.jobs.view import job_view
from rowmill.ledger.store import Store
from rowmill.shapes import jobs as shapes
from rowmill.shapes.base import Page

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_LARGEST = 10 << 20
"""Bytes of a request that makes a job, inline rows included."""
_WHY_NOT = (
    "busy", "conflict", "idempotency_key_reused", "input", "not_found", "nothing_to_do", "remote_code", "server_file",
    "unavailable", "usage",
)  # fmt: skip

JobId = Annotated[str, Path(pattern=r"^job_[a-z0-9]+$", max_length=100, description="The job's id.")]


def _the_job(store: StoreDep, job_id: JobId) -> Job:
    return lookup.the_job(store, job_id)


JobDep = Annotated[Job, Depends(_the_job)]


def shown(store: Store, job: Job) -> shapes.Job:
    """``job`` with its executions."""
    return job_view(job, store.clock(), REMEDIES, store.browse.executions(job.pk))


@router.post(
    "",
    status_code=201,
    response_model=shapes.Job,
    dependencies=[RUN],
    responses=responses(*_WHY_NOT),
    max_body_size=_LARGEST,
)
def create_job(context: ContextDep, once: OnceDep, asked: Annotated[JobInput, Body(openapi_examples=JOBS)]) -> Response:
    """Makes a job. It is worked as soon as a worker has a place for it."""

    def make(job_id: str) -> Made:
        store = context.store
        job = store.browse.job_by_id(job_id) or submit_job(context, asked, job_id)
        context.wake()
        return Made(shown(store, job), headers={"Location": f"/v1/jobs/{job.id}", "ETag": _etag(job)})

    return once("job", asked, make)


@router.get("", response_model=Page[shapes.Job], dependencies=[READ], responses=responses("invalid_cursor"))
def list_jobs(
    store: StoreDep,
    status: Annotated[JobStatus | None, Query(description="Only jobs of this status.")] = None,
    type_: Annotated[JobType | None, Query(alias="type", description="Only jobs of this type.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer:
    """Jobs, newest first."""
    pager = Pager("jobs", status, type_)
    found = store.browse.jobs(status, type_, pager.after(cursor, NO_LIMIT), limit + 1)
    now = store.clock()
    return Answer(pager.page(found, limit, lambda job: job.pk, lambda job: job_view(job, now, REMEDIES)))


@router.get("/{job_id}", response_model=shapes.Job, dependencies=[READ], responses=responses("not_found"))
def get_job(store: StoreDep, job: JobDep) -> Answer:
    """A job with its executions. Its ETag is that of what can be changed, not of its progress."""
    return Answer(shown(store, job), headers={"ETag": _etag(job)})


@router.patch(
    "/{job_id}",
    response_model=shapes.Job,
    dependencies=[RUN],
    responses=responses("not_found", "illegal_transition", "precondition_failed", "usage"),
)
def change_job(context: ContextDep, job: JobDep, change: JobChange, if_match: IfMatch = None) -> Answer:
    """Changes a job's name, metadata or settings; a running job follows at once."""
    store = context.store
    given = change.model_dump(include=change.model_fields_set)
    names = {name: given.pop(name) for name in ("name", "metadata") if name in given}
    etags.check(if_match, _etag(job))
    while (changed := control.update(store, job, _settings(given), **names)) is None:
        job = store.browse.job(job.pk)
        etags.check(if_match, _etag(job))
    context.wake()
    return Answer(shown(store, changed), headers={"ETag": _etag(changed)})


@router.delete(
    "/{job_id}",
    status_code=204,
    response_class=Response,
    dependencies=[ADMIN],
    responses=responses("not_found", "illegal_transition", "busy", "precondition_failed", "usage"),
)
def delete_job(store: StoreDep, job: JobDep, if_match: IfMatch = None) -> None:
    """Deletes a job that has ended, with its rows and results."""
    etags.check(if_match, _etag(job))
    retention.delete_job(store, job)


_STEERED: dict[str, Any] = {
    "response_model": shapes.Job,
    "dependencies": [RUN],
    "responses": responses("not_found", "illegal_transition", "busy", "usage"),
}


@router.post("/{job_id}/start", **_STEERED)
def start_job(context: ContextDep, job: JobDep) -> Answer:
    """Lets a job begin that was made with `start: false`."""
    return _resumed(context, job)


@router.post("/{job_id}/resume", **_STEERED)
def resume_job(context: ContextDep, job: JobDep) -> Answer:
    """Goes on with what is left of a paused or failed job; takes back a pause that is still being obeyed."""
    return _resumed(context, job)


@router.post("/{job_id}/pause", **_STEERED)
def pause_job(store: StoreDep, job: JobDep) -> Answer:
    """Pauses a job: rows in flight are finished and saved. While they are, the answer says `stopping`."""
    return Answer(shown(store, control.pause(store, job)))


@router.post("/{job_id}/cancel", **_STEERED)
def cancel_job(store: StoreDep, job: JobDep) -> Answer:
    """Stops a job for good; what is done is kept."""
    return Answer(shown(store, control.cancel(store, job)))


@router.post("/{job_id}/retry", **_STEERED)
def retry_job(context: ContextDep, job: JobDep, asked: RetryInput | None = None) -> Answer:
    """Runs failed rows again; of a paused or failed job also what is left."""
    asked = asked or RetryInput()
    ranges = parse_ranges(asked.rows, job.counts.total or 0) if asked.rows else []
    codes = asked.codes or ()
    control.retry(context.store, job, failed_only=asked.failed_only, codes=codes, ranges=ranges, detached=True)
    context.wake()
    return Answer(shown(context.store, context.store.browse.job(job.pk)))


@router.post("/{job_id}/dismiss", **_STEERED)
def dismiss_job(store: StoreDep, job: JobDep) -> Answer:
    """Says that the failed rows of a completed job need no attention."""
    return Answer(shown(store, control.dismiss(store, job)))


def _resumed(context: ContextDep, job: Job) -> Answer:
    store = context.store
    try:
        control.resume(store, job, detached=True)
    except Busy:
        now = store.browse.job(job.pk)
        if now.status is not JobStatus.RUNNING or now.requested_action is Action.CANCEL:
            raise
        # It goes on already: whoever says so twice is not wrong.
    context.wake()
    return Answer(shown(store, store.browse.job(job.pk)))


def _etag(job: Job) -> str:
    return etag_of(job.id, job.name, job.metadata, asdict(job.settings))


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """Settings as the store knows them; null means what a job has that was told nothing."""
    settings = {
        name: getattr(Settings(), name) if value is None else value
        for name, value in given.items()
        if name != "budget_usd"
    }
    if "budget_usd" in given:
        budget = given["budget_usd"]
        settings["budget"] = None if budget is None else nano(Decimal(str(budget)))
    return settings
