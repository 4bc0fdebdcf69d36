"""The body of a webhook request: the event's type, when it happened, the status that it led to, and otherwise the job
as it is when the delivery is created.

What a job was given to work with (prompts, paths, settings) is not sent: receivers can ask the API for it.
"""

from dataclasses import fields
from typing import Any

from rowmill.core.timestamps import utc
from rowmill.http.remedies import REMEDIES
from rowmill.jobs.view import job_view
from rowmill.ledger.events import Event
from rowmill.ledger.store import Store
from rowmill.shapes.base import to_json
from rowmill.shapes.events import DeletedJob
from rowmill.shapes.jobs import JobSummary
from rowmill.shapes.webhooks import WebhookEvent, WebhookTest
from rowmill.webhooks.delivery import TEST


def payload_of(store: Store, event: Event) -> str:
    """The body that is sent for ``event``."""
    return to_json(WebhookEvent(event.type, utc(event.at), _job(store, event))).decode()


def payload_of_test(webhook: str, now: float) -> str:
    """The body that is sent to test ``webhook``."""
    return to_json(WebhookEvent(TEST, utc(now), WebhookTest(webhook))).decode()


def _job(store: Store, event: Event) -> JobSummary | DeletedJob:
    job = store.browse.job_by_id(event.job)
    if job is None:
        return DeletedJob(**event.known)
    view = job_view(job, store.clock(), REMEDIES)
    shown: dict[str, Any] = {field.name: getattr(view, field.name) for field in fields(JobSummary)}
    return JobSummary(**shown | event.known)
