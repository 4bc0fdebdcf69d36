"""What a worker does now and then besides: forgets what is old, lets jobs go on that a limit had stopped."""

from collections.abc import Callable, Sequence

from rowmill.ledger.store import Store
from rowmill.usage.limits import requeue_within_limits
from rowmill.webhooks.deliveries import Deliveries

_DAY = 24 * 3600.0
ANSWERS_KEPT_FOR = _DAY
"""Seconds for which the answer to a request with an ``Idempotency-Key`` is kept."""

EVENTS_KEPT_FOR = 30 * _DAY
"""Seconds for which events and deliveries are kept."""


def chores(store: Store) -> Sequence[Callable[[], object]]:
    """Calls that are made every few seconds, in a thread."""
    return (lambda: requeue_within_limits(store), _EveryHour(store))


class _EveryHour:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._due = store.clock()

    def __call__(self) -> None:
        now = self._store.clock()
        if now < self._due:
            return
        self._due = now + 3600.0
        self._store.requests.forget(now - ANSWERS_KEPT_FOR)
        self._store.events.forget(now - EVENTS_KEPT_FOR)
        Deliveries(self._store.database).forget(self._store.maintenance, now - EVENTS_KEPT_FOR)
