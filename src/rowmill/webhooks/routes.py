"""Webhooks: made, listed, changed, tried, deleted; what was delivered to them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from rowmill.core.bounds import NO_LIMIT
from rowmill.http import etags
from rowmill.http.access import ADMIN
from rowmill.http.answers import Answer
from rowmill.http.context import StoreDep
from rowmill.http.etags import IfMatch, etag_of
from rowmill.http.idempotency import Made, OnceDep
from rowmill.http.paging import Cursor, Limit, Pager
from rowmill.http.problems import responses
from rowmill.shapes import webhooks as shapes
from rowmill.shapes.base import Page
from rowmill.webhooks import service as webhooks
from rowmill.webhooks.deliveries import Deliveries
from rowmill.webhooks.delivery import Webhook
from rowmill.webhooks.inputs import WebhookChange, WebhookInput
from rowmill.webhooks.service import delivery_view, new_webhook_view, webhook_view
from rowmill.webhooks.store import Webhooks

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
told = APIRouter(tags=["webhooks"])
"""What others are sent, for the description."""

WebhookId = Annotated[str, Path(pattern=r"^whk_[a-z0-9]+$", max_length=100, description="The webhook's id.")]
DeliveryId = Annotated[str, Path(pattern=r"^msg_[a-z0-9]+$", max_length=100, description="The delivery's id.")]


def the_webhook(store: StoreDep, webhook_id: WebhookId) -> Webhook:
    """The webhook of the path. Raises ``NotFound``."""
    return Webhooks(store.database).get(webhook_id)


WebhookDep = Annotated[Webhook, Depends(the_webhook)]


@router.post(
    "",
    status_code=201,
    response_model=shapes.NewWebhook,
    dependencies=[ADMIN],
    responses=responses("idempotency_key_reused", "usage"),
)
def create_webhook(store: StoreDep, once: OnceDep, asked: WebhookInput) -> Response:
    """Makes a webhook, which is told of what happens from then on. The answer holds its secret, this once."""

    def make(webhook_id: str) -> Made:
        webhook, secret = webhooks.create(store, webhook_id, asked.url, asked.events)
        headers = {"Location": f"/v1/webhooks/{webhook.id}", "ETag": _etag(webhook)}
        return Made(new_webhook_view(webhook, secret), headers=headers)

    return once("whk", asked, make)


@router.get("", response_model=Page[shapes.Webhook], dependencies=[ADMIN], responses=responses("invalid_cursor"))
def list_webhooks(store: StoreDep, limit: Limit = 50, cursor: Cursor = None) -> Answer:
    """Webhooks, in the order of their ids."""
    pager = Pager("webhooks")
    found = Webhooks(store.database).page(pager.after(cursor, ""), limit + 1)
    return Answer(pager.page(found, limit, lambda webhook: webhook.id, webhook_view))


@router.get("/{webhook_id}", response_model=shapes.Webhook, dependencies=[ADMIN], responses=responses("not_found"))
def get_webhook(webhook: WebhookDep) -> Answer:
    """A webhook."""
    return Answer(webhook_view(webhook), headers={"ETag": _etag(webhook)})


@router.patch(
    "/{webhook_id}",
    response_model=shapes.Webhook,
    dependencies=[ADMIN],
    responses=responses("not_found", "precondition_failed", "usage"),
)
def change_webhook(store: StoreDep, webhook_id: WebhookId, change: WebhookChange, if_match: IfMatch = None) -> Answer:
    """Changes a webhook. Turned off, what is on its way to it fails; turned on, it is told of what happens then."""
    changed = None
    while changed is None:  # somebody else may change it at this moment
        webhook = Webhooks(store.database).get(webhook_id)
        etags.check(if_match, _etag(webhook))
        changed = webhooks.change(store, webhook, url=change.url, events=change.events, active=change.active)
    return Answer(webhook_view(changed), headers={"ETag": _etag(changed)})


@router.delete(
    "/{webhook_id}",
    status_code=204,
    response_class=Response,
    dependencies=[ADMIN],
    responses=responses("not_found", "precondition_failed"),
)
def delete_webhook(store: StoreDep, webhook_id: WebhookId, if_match: IfMatch = None) -> None:
    """Deletes a webhook with its deliveries."""
    deleted = False
    while not deleted:
        webhook = Webhooks(store.database).get(webhook_id)
        etags.check(if_match, _etag(webhook))
        deleted = webhooks.delete(store, webhook)


@router.post(
    "/{webhook_id}/rotate", response_model=shapes.NewWebhook, dependencies=[ADMIN], responses=responses("not_found")
)
def rotate_webhook_secret(store: StoreDep, webhook: WebhookDep) -> Answer:
    """Gives a webhook a new secret, shown this once. For a day, signatures are made with the one before, too."""
    rotated, secret = webhooks.rotate(store, webhook)
    return Answer(new_webhook_view(rotated, secret), headers={"ETag": _etag(rotated)})


@router.post(
    "/{webhook_id}/test",
    status_code=201,
    response_model=shapes.Delivery,
    dependencies=[ADMIN],
    responses=responses("idempotency_key_reused", "not_found"),
)
def test_webhook(store: StoreDep, once: OnceDep, webhook: WebhookDep) -> Response:
    """Sends the event `webhook.test` now, once, whatever the webhook wants to be told of. Its deliveries show how that
    went."""
    return once("msg", b"", lambda id_: Made(delivery_view(store, webhooks.send_test(store, webhook, id_))))


@router.get(
    "/{webhook_id}/deliveries",
    response_model=Page[shapes.Delivery],
    dependencies=[ADMIN],
    responses=responses("not_found", "invalid_cursor"),
)
def list_deliveries(
    store: StoreDep,
    webhook: WebhookDep,
    status: Annotated[shapes.DeliveryStatus | None, Query(description="Only deliveries of this status.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer:
    """What was or is to be sent to a webhook, newest first, with the tries."""
    pager = Pager("deliveries", webhook.id, status)
    found = Deliveries(store.database).page(webhook.id, status, pager.after(cursor, NO_LIMIT), limit + 1)
    return Answer(
        pager.page(found, limit, lambda delivery: delivery.pk, lambda delivery: delivery_view(store, delivery))
    )


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    response_model=shapes.Delivery,
    dependencies=[ADMIN],
    responses=responses("not_found"),
)
def redeliver(store: StoreDep, webhook: WebhookDep, delivery_id: DeliveryId) -> Answer:
    """Sends a delivery again now, with the same id and content, and with all its tries before it."""
    redelivered = Deliveries(store.database).redeliver(webhook.id, delivery_id, store.clock())
    return Answer(delivery_view(store, redelivered))


@told.post(
    "event",
    operation_id="receive_event",
    response_class=Response,
    response_description="Any 2xx: it is delivered.",
    responses={410: {"description": "Turns the webhook off."}, "default": {"description": "It is tried again."}},
)
def receive_event(
    event: shapes.WebhookEvent,
    delivery: Annotated[str, Header(alias="webhook-id", description="The delivery's id, the same with every try.")],
    at: Annotated[int, Header(alias="webhook-timestamp", description="When this try was made, in Unix seconds.")],
    signature: Annotated[str, Header(alias="webhook-signature", description="After Standard Webhooks: `v1,…`.")],
) -> None:
    """What happened to a job, sent to every webhook that wants to be told of it."""


def _etag(webhook: Webhook) -> str:
    return etag_of(webhook.id, webhook.revision)
