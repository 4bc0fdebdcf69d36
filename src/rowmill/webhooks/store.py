"""Who is told of events. Secrets go in and out as they were sealed."""

from collections.abc import Sequence

import orjson

from rowmill.core.errors import NotFound
from rowmill.core.messages import Message
from rowmill.db.database import Database, DbRow, Transaction
from rowmill.db.values import dump
from rowmill.shapes.webhooks import DeliveryStatus
from rowmill.webhooks.delivery import Webhook

FIELDS = "id, url, events, secret, old_secret, old_until, active, revision, created_at"
_LAST_EVENT = "(SELECT coalesce(max(seq), 0) FROM events)"


class Webhooks:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, id_: str, url: str, events: Sequence[str], secret: str, now: float) -> Webhook:
        """A new active webhook, which is told of what happens from now on."""
        with self._database.transaction() as tx:
            made = tx.execute(
                f"""INSERT INTO webhooks (id, url, events, secret, active, after, revision, created_at)
                    VALUES (?, ?, ?, ?, 1, {_LAST_EVENT}, 1, ?) RETURNING {FIELDS}""",  # noqa: S608 - constants only
                (id_, url, dump(events), secret, now),
            )
        return webhook_of(made[0])

    def get(self, id_: str) -> Webhook:
        """Raises ``NotFound``."""
        lines = self._database.read(f"SELECT {FIELDS} FROM webhooks WHERE id = ?", (id_,))  # noqa: S608 - constants
        if not lines:
            raise no_webhook(id_)
        return webhook_of(lines[0])

    def page(self, after: str = "", limit: int = 100) -> list[Webhook]:
        """Webhooks in the order of their ids, after that one."""
        sql = f"SELECT {FIELDS} FROM webhooks WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - constants only
        return [webhook_of(line) for line in self._database.read(sql, (after, limit))]

    def update(self, id_: str, url: str, events: Sequence[str], revision: int, *, active: bool) -> Webhook | None:
        """The webhook as changed; ``None`` where it no longer stands at ``revision``. What happens while it is not
        active is never told: what was on its way fails, and once it is active again it goes on from there."""
        with self._database.transaction() as tx:
            changed = tx.execute(
                f"""UPDATE webhooks SET url = ?, events = ?, active = ?, revision = revision + 1,
                        after = CASE WHEN active = 1 THEN after ELSE {_LAST_EVENT} END
                    WHERE id = ? AND revision = ? RETURNING {FIELDS}""",  # noqa: S608 - constants only
                (url, dump(events), int(active), id_, revision),
            )
            if changed and not active:
                _give_up(tx, id_)
        return webhook_of(changed[0]) if changed else None

    def rotate(self, id_: str, secret: str, old_until: float) -> Webhook:
        """Gives the webhook another secret; the present one signs, too, until ``old_until``. Raises ``NotFound``."""
        with self._database.transaction() as tx:
            changed = tx.execute(
                f"""UPDATE webhooks SET old_secret = secret, old_until = ?, secret = ?, revision = revision + 1
                    WHERE id = ? RETURNING {FIELDS}""",  # noqa: S608 - constants only
                (old_until, secret, id_),
            )
        if not changed:
            raise no_webhook(id_)
        return webhook_of(changed[0])

    def delete(self, id_: str, revision: int | None = None) -> bool:
        """Removes the webhook, with ``revision`` only if it still stands there; returns whether it did. Its deliveries,
        of which none is sent any more, are removed by ``Deliveries.forget``."""
        with self._database.transaction() as tx:
            return bool(
                tx.change("DELETE FROM webhooks WHERE id = ? AND revision = coalesce(?, revision)", (id_, revision))
            )


def deactivate(tx: Transaction, id_: str, url: str) -> None:
    """Tells a webhook nothing any more, unless it has another URL by now."""
    sql = "UPDATE webhooks SET active = 0, revision = revision + 1 WHERE id = ? AND url = ? AND active = 1"
    if tx.change(sql, (id_, url)):
        _give_up(tx, id_)


def webhook_of(line: DbRow) -> Webhook:
    id_, url, events, secret, old_secret, old_until, active, revision, created_at = line
    kinds = orjson.loads(events)
    return Webhook(id_, url, kinds, secret, old_secret, old_until, bool(active), revision, created_at)


def no_webhook(id_: str) -> NotFound:
    return NotFound(Message.WEBHOOK_UNKNOWN, webhook=id_)


def _give_up(tx: Transaction, id_: str) -> None:
    tx.execute(
        "UPDATE deliveries SET status = ?, due_at = NULL, sender = NULL WHERE webhook = ? AND due_at IS NOT NULL",
        (DeliveryStatus.FAILED, id_),
    )
