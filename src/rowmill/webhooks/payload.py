"""What is told of an event: its type, when it was, the status to which it led, and else the job as it stands when this
is written.

What a job was given to work with (prompts, paths, settings) is not told: who wants it asks the API.
"""

from typing import Any

import orjson

from rowmill.core.timestamps import moment
from rowmill.http.remedies import REMEDIES
from rowmill.jobs.view import job_view
from rowmill.ledger.events import Event
from rowmill.ledger.store import Store
from rowmill.webhooks.delivery import TEST

FIELDS = (
    "id",
    "type",
    "name",
    "status",
    "pause_reason",
    "needs_attention",
    "error",
    "total",
    "processed",
    "succeeded",
    "failed",
    "skipped",
    "unprocessed",
    "tokens_in",
    "tokens_out",
    "cost_usd",
    "created_at",
    "started_at",
    "finished_at",
    "duration_seconds",
    "dataset",
    "metadata",
)
"""Those of a job's fields that are told."""


def payload_of(store: Store, event: Event) -> str:
    """The text that is sent of ``event``. A job that has been deleted meanwhile is told as the event knew it, with
    ``deleted`` true and all else null."""
    return _text(event.type, event.at, _job(store, event))


def payload_of_test(webhook: str, now: float) -> str:
    """The text that is sent to try ``webhook``."""
    return _text(TEST, now, {"webhook": webhook})


def _job(store: Store, event: Event) -> dict[str, Any]:
    job = store.browse.job_by_id(event.job)
    view = job_view(job, store.clock(), REMEDIES) if job else {}
    return {**{field: view.get(field) for field in FIELDS}, **event.known, "deleted": job is None}


def _text(type_: str, at: float, data: dict[str, Any]) -> str:
    return orjson.dumps({"type": type_, "timestamp": moment(at), "data": data}).decode()
