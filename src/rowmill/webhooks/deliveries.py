"""What webhooks are told: an outbox. An event becomes one delivery for each webhook that wants it; a delivery is
claimed, sent, and what became of that is recorded.

A claim is a lease: it puts the next try off for longer than a try takes. It also says who sends: what a killed process
was sending is due again as soon as another looks, and is sent under the same id, by which its receiver knows it.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from rowmill.core.bounds import NO_LIMIT
from rowmill.core.errors import NotFound
from rowmill.core.messages import Message
from rowmill.db.database import Database, DbRow, Maintenance, Presence, Transaction
from rowmill.db.values import new_id, placeholders
from rowmill.ledger.events import Event, Events
from rowmill.shapes.webhooks import DeliveryStatus
from rowmill.webhooks.delivery import Again, Delivery, DeliveryAttempt, Ruling, Webhook
from rowmill.webhooks.store import FIELDS as WEBHOOK_FIELDS
from rowmill.webhooks.store import deactivate, no_webhook, webhook_of

_FIELDS = "pk, id, webhook, event, type, payload, status, tries, due_at, created_at"
_INSERT = "INSERT INTO deliveries (id, webhook, event, type, payload, status, tries, due_at, created_at)"
_EVENTS_AT_ONCE = 100
_LINES_AT_ONCE = 500
_NONE: Mapping[str, int] = MappingProxyType({})
_BROKEN = "The server ended before it had an answer."


class Deliveries:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._events = Events(database)

    def enqueue(self, payload: Callable[[Event], str], now: float) -> bool:
        """Makes deliveries of the events since it was last done: one for each event and active webhook that wants it,
        whoever else does the same at this moment. Returns whether there may be more."""
        behind = self._database.read(
            """SELECT id, events, after, revision FROM webhooks
               WHERE active = 1 AND after < (SELECT coalesce(max(seq), 0) FROM events)"""
        )
        if not behind:
            return False
        events = self._events.after(min(after for _, _, after, _ in behind), _EVENTS_AT_ONCE)
        wanted = {id_: _wanted(events, orjson.loads(types), after) for id_, types, after, _ in behind}
        # Before the transaction: it takes a while, and nobody else could write meanwhile.
        told = {event for some in wanted.values() for event in some}
        texts = {event.seq: payload(event) for event in events if event in told}
        last = events[-1].seq
        with self._database.transaction() as tx:
            for id_, _, after, revision in behind:
                if after < last and _move_on(tx, id_, revision, after, last):
                    new = [_line(new_id("msg"), id_, e.seq, e.type, texts[e.seq], now) for e in wanted[id_]]
                    tx.insert(_INSERT, new)
        return len(events) == _EVENTS_AT_ONCE

    def add(self, id_: str, webhook: str, type_: str, payload: str, now: float) -> Delivery:
        """Makes a delivery that no event is behind, due at once. Raises ``NotFound``."""
        with self._database.transaction() as tx:
            if not tx.execute("SELECT 1 FROM webhooks WHERE id = ?", (webhook,)):
                raise no_webhook(webhook)
            line = _line(id_, webhook, 0, type_, payload, now)
            made = tx.execute(f"{_INSERT} VALUES ({placeholders(len(line))}) RETURNING {_FIELDS}", line)
        return _delivery_of(made[0])

    def get(self, webhook: str, id_: str) -> Delivery:
        """Raises ``NotFound``."""
        sql = f"SELECT {_FIELDS} FROM deliveries WHERE webhook = ? AND id = ?"  # noqa: S608 - constants only
        lines = self._database.read(sql, (webhook, id_))
        if not lines:
            raise _no_delivery(id_)
        return _delivery_of(lines[0])

    def free(self, presence: Presence, now: float) -> None:
        """Makes what dead senders were sending due at once. The try that each broke off is noted, and not counted: that
        it failed was not the receiver's fault."""
        for (sender,) in self._database.read("SELECT DISTINCT sender FROM deliveries WHERE sender IS NOT NULL"):
            if not presence.alive(sender):
                with self._database.transaction() as tx:
                    freed = tx.execute(
                        """UPDATE deliveries SET sender = NULL, due_at = ? WHERE sender = ?
                           RETURNING pk, claimed_at""",
                        (now, sender),
                    )
                    for pk, at in freed:
                        _note(tx, pk, DeliveryAttempt(at, 0.0, None, _BROKEN))

    def due(
        self,
        sender: str,
        now: float,
        limit: int,
        lease: float,
        each: int = NO_LIMIT,
        under_way: Mapping[str, int] = _NONE,
    ) -> list[tuple[Delivery, Webhook]]:
        """Claims up to ``limit`` due deliveries for ``lease`` seconds, in which nobody else gets them while ``sender``
        (of ``Store.register``) lives. No webhook has more than ``each`` under way, counting those already
        ``under_way``; those with the fewest come first, so that a slow receiver does not hold the others up."""
        waiting = self._database.read(
            """SELECT first, id FROM (
                   SELECT id, (SELECT min(due_at) FROM deliveries WHERE webhook = w.id AND due_at IS NOT NULL) AS first
                   FROM webhooks w) AS oldest
               WHERE first <= ?""",
            (now,),
        )
        claimed: list[tuple[Delivery, Webhook]] = []
        if not waiting or limit <= 0:
            return claimed
        with self._database.transaction() as tx:
            for _, id_ in sorted(waiting, key=lambda line: (under_way.get(line[1], 0), *line)):
                room = min(each - under_way.get(id_, 0), limit - len(claimed))
                if room > 0:
                    claimed += _claim(tx, id_, sender, now, lease, room)
        return claimed

    def record(self, delivery: Delivery, url: str, attempt: DeliveryAttempt, ruling: Ruling, now: float) -> None:
        """Notes ``attempt`` of a claimed delivery, at ``url``, and what follows of it. A failure decides nothing once
        somebody else has claimed, ended or asked for the delivery; a success always ends it."""
        status, due_at = (DeliveryStatus.PENDING, now + ruling.delay) if isinstance(ruling, Again) else (ruling, None)
        with self._database.transaction() as tx:
            _note(tx, delivery.pk, attempt)
            guard, params = ("", ()) if attempt.taken else ("AND due_at = ?", (delivery.due_at,))
            tx.execute(
                f"""UPDATE deliveries SET status = ?, due_at = ?, sender = NULL, tries = tries + 1
                    WHERE pk = ? {guard}""",  # noqa: S608 - constants only
                (status, due_at, delivery.pk, *params),
            )
            if attempt.gone:
                deactivate(tx, delivery.webhook, url)

    def redeliver(self, webhook: str, id_: str, now: float) -> Delivery:
        """Makes the delivery due at once, however it stands, with all its tries before it. Raises ``NotFound``."""
        with self._database.transaction() as tx:
            changed = tx.execute(
                f"""UPDATE deliveries SET status = ?, tries = 0, due_at = ?, sender = NULL WHERE webhook = ? AND id = ?
                    RETURNING {_FIELDS}""",  # noqa: S608 - constants only
                (DeliveryStatus.PENDING, now, webhook, id_),
            )
        if not changed:
            raise _no_delivery(id_)
        return _delivery_of(changed[0])

    def page(
        self, webhook: str, status: DeliveryStatus | None = None, before: int = NO_LIMIT, limit: int = 100
    ) -> list[Delivery]:
        """A page of deliveries, newest first, made before number ``before``."""
        lines = self._database.read(
            f"""SELECT {_FIELDS} FROM deliveries WHERE webhook = ? AND pk < ? AND status = coalesce(?, status)
                ORDER BY pk DESC LIMIT ?""",  # noqa: S608 - constants only
            (webhook, before, status, limit),
        )
        return [_delivery_of(line) for line in lines]

    def attempts(self, delivery: int, before: int = NO_LIMIT, limit: int = 100) -> list[DeliveryAttempt]:
        """A page of the tries of a delivery, the newest first."""
        lines = self._database.read(
            """SELECT at, duration, http_status, error, number FROM delivery_attempts
               WHERE delivery = ? AND number < ? ORDER BY number DESC LIMIT ?""",
            (delivery, before, limit),
        )
        return [DeliveryAttempt(*line) for line in lines]

    def forget(self, maintenance: Maintenance, before: float) -> None:
        """Removes deliveries that have ended and were made before the moment ``before`` (Unix seconds), and all of
        webhooks that were deleted, a little at a time so that no other process waits for it."""
        self._remove(maintenance, "created_at < ? AND due_at IS NULL", (before,))
        self._remove(maintenance, "webhook NOT IN (SELECT id FROM webhooks)", ())

    def _remove(self, maintenance: Maintenance, where: str, params: Sequence[Any]) -> None:
        following = f"SELECT pk FROM deliveries WHERE pk > ? AND {where} ORDER BY pk LIMIT ?"  # noqa: S608
        last = 0
        while lines := self._database.read(following, (last, *params, _LINES_AT_ONCE)):
            found = [pk for (pk,) in lines]
            last, some = found[-1], placeholders(len(found))
            with self._database.transaction() as tx:
                tx.execute(f"DELETE FROM delivery_attempts WHERE delivery IN ({some})", found)  # noqa: S608
                tx.execute(f"DELETE FROM deliveries WHERE pk IN ({some})", found)  # noqa: S608
            maintenance.maintain()


def _wanted(events: list[Event], types: list[str], after: int) -> list[Event]:
    return [event for event in events if event.seq > after and (not types or event.type in types)]


def _move_on(tx: Transaction, webhook: str, revision: int, after: int, last: int) -> bool:
    """Whether the webhook still stood where it was read, and is moved on."""
    sql = "UPDATE webhooks SET after = ? WHERE id = ? AND revision = ? AND after = ?"
    return bool(tx.change(sql, (last, webhook, revision, after)))


def _note(tx: Transaction, delivery: int, attempt: DeliveryAttempt) -> None:
    tx.lock("deliveries", delivery)  # attempts are numbered
    tx.execute(
        """INSERT INTO delivery_attempts (delivery, number, at, duration, http_status, error)
           SELECT pk, (SELECT coalesce(max(number), 0) FROM delivery_attempts WHERE delivery = pk) + 1, ?, ?, ?, ?
           FROM deliveries WHERE pk = ?""",
        (attempt.at, attempt.duration, attempt.http_status, attempt.error, delivery),
    )


def _claim(
    tx: Transaction, webhook: str, sender: str, now: float, lease: float, limit: int
) -> list[tuple[Delivery, Webhook]]:
    of = tx.execute(f"SELECT {WEBHOOK_FIELDS} FROM webhooks WHERE id = ?", (webhook,))  # noqa: S608 - constants only
    if not of:
        return []
    claimed = tx.execute(
        f"""UPDATE deliveries SET due_at = ?, sender = ?, claimed_at = ? WHERE due_at <= ? AND pk IN (
                SELECT pk FROM deliveries WHERE webhook = ? AND due_at <= ? ORDER BY due_at LIMIT ?)
            RETURNING {_FIELDS}""",  # noqa: S608 - constants only
        (now + lease, sender, now, now, webhook, now, limit),
    )
    return [(_delivery_of(line), webhook_of(of[0])) for line in claimed]


def _no_delivery(id_: str) -> NotFound:
    return NotFound(Message.DELIVERY_UNKNOWN, delivery=id_)


def _line(id_: str, webhook: str, event: int, type_: str, payload: str, now: float) -> DbRow:
    return (id_, webhook, event, type_, payload, DeliveryStatus.PENDING, 0, now, now)


def _delivery_of(line: DbRow) -> Delivery:
    pk, id_, webhook, event, type_, payload, status, tries, due_at, created_at = line
    return Delivery(pk, id_, webhook, event, type_, payload, DeliveryStatus(status), tries, due_at, created_at)
