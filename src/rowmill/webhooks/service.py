"""Webhooks: made, changed, tried, and what was delivered to them."""

import re
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address

import orjson
from yarl import URL

from rowmill.core.errors import NotFound, UsageError
from rowmill.core.suggest import did_you_mean
from rowmill.core.timestamps import utc
from rowmill.ledger.store import Store
from rowmill.shapes import webhooks as shapes
from rowmill.webhooks.deliveries import Deliveries
from rowmill.webhooks.delivery import EVENT_TYPES, TEST, Delivery, DeliveryAttempt, Webhook
from rowmill.webhooks.payload import payload_of_test
from rowmill.webhooks.signature import new_secret
from rowmill.webhooks.store import Webhooks

OLD_SECRET_SECONDS = 24 * 3600.0
"""How long the secret before the last also signs, so that receivers can change without missing anything."""

_LONGEST_URL = 2000
_LONGEST_HOST = 253
_LABEL = re.compile("[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_ATTEMPTS_SHOWN = 20


def create(store: Store, id_: str, url: str, events: Sequence[str]) -> tuple[Webhook, str]:
    """A new webhook called ``id_``, which is told of ``events``, all where there are none, and its secret, which is
    shown never again. The one of that id where it is there already. Raises ``UsageError``."""
    with suppress(NotFound):
        made = Webhooks(store.database).get(id_)
        return made, store.secrets.open(made.secret, _context(id_))
    url, types = checked_url(url), checked_events(events)
    secret = new_secret()
    sealed = store.secrets.seal(secret, _context(id_))
    return Webhooks(store.database).create(id_, url, types, sealed, store.clock()), secret


def change(
    store: Store,
    webhook: Webhook,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    active: bool | None = None,
) -> Webhook | None:
    """``webhook`` with what is given changed; ``None`` where it has been changed since it was read."""
    return Webhooks(store.database).update(
        webhook.id,
        webhook.url if url is None else checked_url(url),
        webhook.events if events is None else checked_events(events),
        webhook.revision,
        active=webhook.active if active is None else active,
    )


def rotate(store: Store, webhook: Webhook) -> tuple[Webhook, str]:
    """The webhook with a new secret, which is shown never again; the one before signs, too, for a day."""
    secret = new_secret()
    sealed = store.secrets.seal(secret, _context(webhook.id))
    return Webhooks(store.database).rotate(webhook.id, sealed, store.clock() + OLD_SECRET_SECONDS), secret


def delete(store: Store, webhook: Webhook, revision: int | None = None) -> bool:
    """Removes the webhook with its deliveries, with ``revision`` only if it still stands there; whether it did."""
    deleted = Webhooks(store.database).delete(webhook.id, revision)
    Deliveries(store.database).forget(store.maintenance, 0.0)
    return deleted


def send_test(store: Store, webhook: Webhook, id_: str) -> Delivery:
    """A delivery called ``id_`` that tries the webhook, active or not; the one of that id where it is there already."""
    now = store.clock()
    with suppress(NotFound):
        return Deliveries(store.database).get(webhook.id, id_)
    return Deliveries(store.database).add(id_, webhook.id, TEST, payload_of_test(webhook.id, now), now)


def signing_secrets(store: Store, webhook: Webhook, now: float) -> list[str]:
    """The secrets that sign at present. Raises ``StoreError`` or ``UsageError`` where they cannot be opened."""
    sealed = [webhook.secret]
    if webhook.old_secret is not None and webhook.old_until is not None and now < webhook.old_until:
        sealed.append(webhook.old_secret)
    return [store.secrets.open(each, _context(webhook.id)) for each in sealed]


def checked_url(url: str) -> str:
    """``url`` if it is one that can be told of events. Raises ``UsageError``."""
    if len(url) > _LONGEST_URL:
        raise UsageError(f"The URL of a webhook is longer than {_LONGEST_URL:,} characters.", "Give a shorter one.")
    if not url.isprintable() or " " in url:
        raise UsageError("The URL of a webhook holds a space or a control character.", "Write a space as %20.")
    try:
        address = URL(url)
        usable = address.scheme in ("http", "https") and _is_host(address.raw_host or "") and bool(address.port)
    except ValueError:
        usable = False
    if not usable:
        message = "The URL of a webhook must be http:// or https:// with a host, and a port, if any, from 1 to 65535."
        raise UsageError(message, "Such as https://HOST/PATH.")
    if address.user is not None or address.password is not None:
        hint = "Leave it out: deliveries are signed; a token may stand in the path."
        raise UsageError("The URL of a webhook holds a user name or password.", hint)
    return url


def checked_events(events: Sequence[str]) -> list[str]:
    """The types of events, each once. Raises ``UsageError`` for one that there is not."""
    for event in events:
        if event not in EVENT_TYPES:
            hint = did_you_mean(event, EVENT_TYPES) or f"There are {', '.join(EVENT_TYPES)}."
            raise UsageError(f"There is no event {event!r}.", hint)
    return list(dict.fromkeys(events))


def webhook_view(webhook: Webhook) -> shapes.Webhook:
    """``webhook`` as it is shown, without its secret."""
    return shapes.Webhook(webhook.id, webhook.url, webhook.events, webhook.active, utc(webhook.created_at))


def new_webhook_view(webhook: Webhook, secret: str) -> shapes.NewWebhook:
    """``webhook`` with the ``secret`` that it has just been given."""
    return shapes.NewWebhook(webhook.id, webhook.url, webhook.events, webhook.active, utc(webhook.created_at), secret)


def delivery_view(store: Store, delivery: Delivery) -> shapes.Delivery:
    """``delivery`` with its last attempts."""
    attempts = Deliveries(store.database).attempts(delivery.pk, limit=_ATTEMPTS_SHOWN)
    return shapes.Delivery(
        id=delivery.id,
        type=delivery.type,
        status=delivery.status,
        payload=orjson.loads(delivery.payload),
        created_at=utc(delivery.created_at),
        next_attempt_at=utc(delivery.due_at),
        attempts=[_attempt(each) for each in attempts],
    )


def _is_host(name: str) -> bool:
    """Whether ``name`` may be a host's. Raises ``ValueError`` for what looks like an IPv6 address and is none."""
    if ":" in name:
        return bool(ip_address(name))
    return len(name) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, name.split(".")))


def _attempt(attempt: DeliveryAttempt) -> shapes.DeliveryAttempt:
    return shapes.DeliveryAttempt(
        number=attempt.number,
        at=utc(attempt.at),
        duration_seconds=round(attempt.duration, 3),
        http_status=attempt.http_status,
        error=attempt.error,
    )


def _context(id_: str) -> str:
    return f"webhook:{id_}"
