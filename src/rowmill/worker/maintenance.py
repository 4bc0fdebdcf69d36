"""What a worker does between jobs: deletes what has expired and resumes jobs that a limit had paused."""

from collections.abc import Callable, Sequence

from rowmill.ledger.store import Store
from rowmill.usage.limits import requeue_within_limits
from rowmill.webhooks.deliveries import Deliveries

MaintenanceTask = Callable[[], object]

_DAY = 24 * 3600.0
ANSWERS_KEPT_FOR = _DAY
"""Seconds for which the response to a request with an ``Idempotency-Key`` is kept."""

EVENTS_KEPT_FOR = 30 * _DAY
"""Seconds for which events and deliveries are kept."""


def maintenance_tasks(store: Store) -> Sequence[MaintenanceTask]:
    """Tasks for a worker to call every few seconds, in a thread."""
    return (lambda: requeue_within_limits(store), _HourlyCleanup(store))


class _HourlyCleanup:
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
