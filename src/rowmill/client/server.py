"""What a server has besides jobs and tables: connections, tokens, limits, usage, webhooks, workers, events."""

from collections.abc import Sequence
from datetime import date
from typing import Any, TypedDict, Unpack
from urllib.parse import quote

from rowmill.client.building import build
from rowmill.client.calls import M, Resource, call, stream
from rowmill.client.events import Event, listen
from rowmill.client.exchange import Exchange, Stream, delete, get, items, post, send_json
from rowmill.shapes.connections import Connection, ConnectionTest
from rowmill.shapes.tokens import NewToken, Token
from rowmill.shapes.usage import Limits, Usage
from rowmill.shapes.webhooks import Delivery, NewWebhook, Webhook
from rowmill.shapes.workers import Worker


class ConnectionChange(TypedDict, total=False):
    """What of a connection can be changed; ``None`` takes it away. A new ``base_url`` needs its ``key`` with it."""

    base_url: str | None
    key: str | None
    rpm: int | None
    tpm: int | None


class Connections(Resource[M]):
    """How model providers are reached. Jobs call them by name; their keys are never shown again."""

    @call
    def create(self, name: str, provider: str = "openai", **reached: Unpack[ConnectionChange]) -> Exchange[Connection]:
        """Makes a connection."""
        body = {"name": name, "provider": provider, **reached}
        return build(Connection, (yield from post("/v1/connections", body, creates=True)))

    @stream
    def list(self) -> Stream[Connection]:
        """All connections by name."""
        return items("/v1/connections", lambda data: build(Connection, data))

    @call
    def get(self, name: str) -> Exchange[Connection]:
        """A connection. Raises ``NotFound``."""
        return build(Connection, (yield from get(_path("connections", name))))

    @call
    def update(self, name: str, **reached: Unpack[ConnectionChange]) -> Exchange[Connection]:
        """Changes what is given; jobs that run use it from their next start on."""
        return build(Connection, (yield from send_json("PATCH", _path("connections", name), reached)))

    @call
    def delete(self, name: str) -> Exchange[None]:
        """Deletes a connection that no unfinished job uses."""
        return delete(_path("connections", name))

    @call
    def test(self, name: str, model: str | None = None) -> Exchange[ConnectionTest]:
        """Tries a connection now, for up to 30 seconds; with ``model`` for the price of a token."""
        body = {"model": model} if model else {}
        return build(ConnectionTest, (yield from post(f"{_path('connections', name)}/test", body)))


class Tokens(Resource[M]):
    """Who may use the API."""

    @call
    def create(self, name: str, scope: str) -> Exchange[NewToken]:
        """Makes a token of the scope ``read``, ``run`` or ``admin``. What must be sent is shown this once."""
        return build(NewToken, (yield from post("/v1/tokens", {"name": name, "scope": scope}, creates=True)))

    @stream
    def list(self) -> Stream[Token]:
        """All tokens."""
        return items("/v1/tokens", lambda data: build(Token, data))

    @call
    def revoke(self, token_id: str) -> Exchange[None]:
        """From now on nothing is answered with it."""
        return delete(_path("tokens", token_id))


class MonthlyLimits(Resource[M]):
    """What all jobs together may use in a calendar month (UTC)."""

    @call
    def get(self) -> Exchange[Limits]:
        """The limits, with what is used and left of them."""
        return build(Limits, (yield from get("/v1/limits")))

    @call
    def set(self, *, rows_per_month: int | None, usd_per_month: float | None) -> Exchange[Limits]:
        """Sets both, ``None`` for no limit. Jobs that a limit has paused go on where there is room."""
        body = {"rows_per_month": rows_per_month, "usd_per_month": usd_per_month}
        return build(Limits, (yield from send_json("PUT", "/v1/limits", body)))


class UsageOf(Resource[M]):
    """What was used."""

    @stream
    def list(self, *, by: str = "day", first: date | None = None, last: date | None = None) -> Stream[Usage]:
        """Added up by ``day``, ``model`` or ``job``, from the day ``first`` to the day ``last`` (UTC); of this month
        unless told."""
        return items("/v1/usage", lambda data: build(Usage, data), by=by, **{"from": first}, to=last)


class Webhooks(Resource[M]):
    """Who is told of what happens to jobs."""

    @call
    def create(self, url: str, events: Sequence[str] = ()) -> Exchange[NewWebhook]:
        """Makes a webhook for these events, or all. Its secret is shown this once."""
        return build(NewWebhook, (yield from post("/v1/webhooks", {"url": url, "events": [*events]}, creates=True)))

    @stream
    def list(self) -> Stream[Webhook]:
        """All webhooks."""
        return items("/v1/webhooks", lambda data: build(Webhook, data))

    @call
    def get(self, webhook_id: str) -> Exchange[Webhook]:
        """A webhook. Raises ``NotFound``."""
        return build(Webhook, (yield from get(_path("webhooks", webhook_id))))

    @call
    def update(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        active: bool | None = None,
    ) -> Exchange[Webhook]:
        """Changes what is given."""
        body = {"url": url, "events": None if events is None else [*events], "active": active}
        return build(Webhook, (yield from send_json("PATCH", _path("webhooks", webhook_id), body)))

    @call
    def delete(self, webhook_id: str) -> Exchange[None]:
        """Deletes a webhook with its deliveries."""
        return delete(_path("webhooks", webhook_id))

    @call
    def rotate(self, webhook_id: str) -> Exchange[NewWebhook]:
        """Gives it a new secret, shown this once; for a day signatures are made with the one before, too."""
        return build(NewWebhook, (yield from post(f"{_path('webhooks', webhook_id)}/rotate")))

    @call
    def test(self, webhook_id: str) -> Exchange[Delivery]:
        """Sends it the event ``webhook.test``, once."""
        return build(Delivery, (yield from post(f"{_path('webhooks', webhook_id)}/test", creates=True)))

    @stream
    def deliveries(self, webhook_id: str, *, status: str | None = None) -> Stream[Delivery]:
        """What was sent to it, or is on its way."""
        path = f"{_path('webhooks', webhook_id)}/deliveries"
        return items(path, lambda data: build(Delivery, data), status=status)

    @call
    def redeliver(self, webhook_id: str, delivery_id: str) -> Exchange[Delivery]:
        """Sends a delivery again now."""
        path = f"{_path('webhooks', webhook_id)}/deliveries/{quote(delivery_id, safe='')}/redeliver"
        return build(Delivery, (yield from post(path)))


class Workers(Resource[M]):
    """Who works jobs."""

    @stream
    def list(self) -> Stream[Worker]:
        """The engines that are known, each with the jobs that it holds."""
        return items("/v1/workers", lambda data: build(Worker, data))


class Events(Resource[M]):
    """What happens to all jobs, as it happens."""

    @stream
    def listen(self, *, type: str | None = None) -> Stream[Event]:  # noqa: A002 - the API's word
        """First each job that is not over as it stands, then whatever happens to jobs of this ``type``, or all. It goes
        on when the server is started again, and never ends by itself."""
        return listen("/v1/events", type=type)


def _path(kind: str, name: Any) -> str:
    return f"/v1/{kind}/{quote(name, safe='')}"
