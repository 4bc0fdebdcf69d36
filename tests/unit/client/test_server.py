"""What a server has besides jobs and tables, whichever way a client goes."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from rowmill.client import Conflict, NotFound

from . import shop


def test_a_connection_is_made_changed_and_deleted_and_its_key_is_never_shown(client: Any) -> None:
    name = f"acme-{uuid4().hex[:8]}"
    made = client.connections.create(name, base_url="https://models.example.com/v1", key="sk-secret", rpm=60)
    assert (made.name, made.provider, made.has_key, made.rpm) == (name, "openai", True, 60)
    assert "sk-secret" not in repr(made)
    assert client.connections.update(name, rpm=None).rpm is None
    assert client.connections.get(name).base_url == "https://models.example.com/v1"
    with pytest.raises(Conflict):
        client.connections.create(name)
    client.connections.delete(name)
    assert name not in [connection.name for connection in client.connections.list()]


def test_limits_are_set_and_taken_away(client: Any) -> None:
    assert client.limits.set(rows_per_month=1_000_000, usd_per_month=5.5).usd_per_month == 5.5
    limits = client.limits.get()
    assert (limits.rows_per_month, limits.rows_left) == (1_000_000, 1_000_000 - limits.rows_used)
    assert client.limits.set(rows_per_month=None, usd_per_month=None).rows_left is None


def test_usage_is_added_up_by_job(client: Any) -> None:
    rows = [{"text": "good"}] * 3
    job = client.jobs.create(rows, function=f"{shop.__name__}:mood", output={"mood": "text"}).wait(check=True)
    today = datetime.now(UTC).date()
    found = {each.job: each for each in client.usage.list(by="job", first=today, last=today)}
    assert (found[job.id].rows, found[job.id].attempts) == (3, 3)


def test_a_webhook_is_made_changed_and_deleted(client: Any) -> None:
    made = client.webhooks.create("https://example.com/hook", ["job.completed"])
    assert made.secret.startswith("whsec_")
    assert made.secret not in repr(made)
    assert client.webhooks.update(made.id, active=False).active is False
    assert client.webhooks.rotate(made.id).secret != made.secret
    assert made.id in [webhook.id for webhook in client.webhooks.list()]
    assert list(client.webhooks.deliveries(made.id)) == []
    client.webhooks.delete(made.id)
    with pytest.raises(NotFound):
        client.webhooks.get(made.id)


def test_workers_are_listed(client: Any) -> None:
    assert any(worker.alive for worker in client.workers.list())


def test_events_of_all_jobs_begin_with_those_that_are_not_over(client: Any) -> None:
    held = client.jobs.create([{"text": "x"}], function=f"{shop.__name__}:mood", start=False)
    for event in client.events.listen(type="enrichment"):
        if event.data and event.data["id"] == held.id:
            break
    held.cancel()
