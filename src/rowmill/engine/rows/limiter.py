"""When a call may start: requests and tokens per minute, and the gate of a connection that was told to wait.

Pace and gate live in the store, so that they hold across every process that shares the key.
"""

from collections import deque
from typing import Protocol

from rowmill.core.outcome import Done, Outcome, RetryLater
from rowmill.core.retry import backoff
from rowmill.engine.runtime import Runtime
from rowmill.ledger.limits import HORIZON, Meter
from rowmill.ledger.store import Store

GIVE_UP = 15 * 60.0
"""Seconds of refusals without one success after which the job pauses with ``rate_limit``."""


class Limiter(Protocol):
    def ready(self, now: float) -> bool:
        """Whether one more call may start now."""
        ...

    def wake_at(self, now: float) -> float | None:
        """When to ask again, Unix seconds; ``None``: when a call has ended."""
        ...

    @property
    def needs_refill(self) -> bool:
        """Whether a call that waits needs a ``refresh``."""
        ...

    @property
    def counts_tokens(self) -> bool:
        """Whether a call's weight means anything."""
        ...

    @property
    def refused(self) -> bool:
        """Whether others must be told, by a ``refresh``, that the gate is closed."""
        ...

    async def refresh(self, weight: int, wanted: int) -> None:
        """Brings what other processes did up to date, and reserves moments for up to ``wanted`` calls of ``weight``
        tokens each."""
        ...

    def begin(self) -> None:
        """A call starts."""
        ...

    def end(self, outcome: Outcome | None, now: float) -> None:
        """A call has ended, with ``None`` if it was aborted."""
        ...

    def update_settings(self, rpm: int | None, tpm: int | None) -> None: ...

    @property
    def gave_up(self) -> bool: ...


class Unlimited:
    """For processors whose calls count against nothing."""

    gave_up = False
    needs_refill = False
    counts_tokens = False
    refused = False

    def ready(self, now: float) -> bool:
        return True

    def wake_at(self, now: float) -> float | None:
        return None

    async def refresh(self, weight: int, wanted: int) -> None: ...

    def begin(self) -> None: ...

    def end(self, outcome: Outcome | None, now: float) -> None: ...

    def update_settings(self, rpm: int | None, tpm: int | None) -> None: ...


class KeyLimiter:
    """The limits of one connection key: the job's own, and beside them those of a connection (``shared``)."""

    def __init__(self, key: str, store: Store, runtime: Runtime, shared: Meter | None = None) -> None:
        self._key = key
        self._store = store
        self._runtime = runtime
        self._shared = shared
        self._meters = [shared] if shared else []
        self._permits: deque[float] = deque()
        self._weight = 0
        self._tokens_owed = 0
        self._gate_until = 0.0
        self._gate_to_close: float | None = None
        self._refusals = 0
        self._refused_since: float | None = None
        self._in_flight = 0
        self._window: int | None = None
        self.gave_up = False

    def update_settings(self, rpm: int | None, tpm: int | None) -> None:
        meters = [self._shared] if self._shared else []
        meters += [Meter(self._key, rpm, tpm)] if rpm or tpm else []
        if meters != self._meters:
            self._meters = meters
            self._permits.clear()

    def ready(self, now: float) -> bool:
        if now < self._gate_until or self._crowded:
            return False
        return not self._paced or bool(self._permits and self._permits[0] <= now)

    def wake_at(self, now: float) -> float | None:
        if now < self._gate_until:
            return self._gate_until
        return self._permits[0] if self._permits and not self._crowded else None

    @property
    def needs_refill(self) -> bool:
        return self._paced and not self._permits

    @property
    def counts_tokens(self) -> bool:
        return any(meter.tpm for meter in self._meters)

    @property
    def refused(self) -> bool:
        return self._gate_to_close is not None

    def begin(self) -> None:
        self._in_flight += 1
        if self._paced:
            self._permits.popleft()

    def end(self, outcome: Outcome | None, now: float) -> None:
        self._in_flight -= 1
        if outcome is None:
            return
        if isinstance(outcome, RetryLater) and outcome.gate:
            self._refused(outcome.after, now)
        elif isinstance(outcome, Done):
            self._succeeded(outcome.hold, now)
        if self.counts_tokens and (usage := getattr(outcome, "usage", None)):
            self._tokens_owed += usage.tokens_in + usage.tokens_out - self._weight

    async def refresh(self, weight: int, wanted: int) -> None:
        limits, save = self._store.limits, self._runtime.save
        if self._gate_to_close is not None:
            until, self._gate_to_close = self._gate_to_close, None
            await save(limits.close_gate, self._key, until)
        self._gate_until = max(self._gate_until, await self._runtime.load(limits.gate, self._key))
        pending_outputs, self._tokens_owed = self._tokens_owed, 0
        for meter in self._meters:
            if meter.tpm and pending_outputs:
                await save(limits.settle, meter.key, pending_outputs, meter.tpm)
        if self._paced and wanted > 0 and not self._permits:
            await self._lease(weight, wanted)

    @property
    def _crowded(self) -> bool:
        return self._window is not None and self._in_flight >= self._window

    @property
    def _paced(self) -> bool:
        return bool(self._meters)

    async def _lease(self, weight: int, wanted: int) -> None:
        rates = [meter.rpm / 60 for meter in self._meters if meter.rpm]
        rates += [meter.tpm / 60 / weight for meter in self._meters if meter.tpm and weight]
        count = min(wanted, 1 + int(HORIZON * min(rates))) if rates else wanted
        self._weight = weight
        args = (list(self._meters), [weight] * count, self._runtime.now())
        lease = await self._runtime.save(self._store.limits.lease, *args)
        self._permits.extend(lease.starts)

    def _refused(self, after: float | None, now: float) -> None:
        if self._refused_since is None:
            self._refused_since = now
        if now >= self._gate_until:
            self._refusals += 1
        self.gave_up = now - self._refused_since >= GIVE_UP
        wait = after if after is not None else 0.5 + backoff(self._refusals, self._runtime.random)
        self._close(now + wait)
        self._window = 1

    def _succeeded(self, hold: float | None, now: float) -> None:
        self._refusals, self._refused_since = 0, None
        if self._window is not None:
            # After a refusal the calls in flight grow from one again, as TCP does (slow start).
            self._window = self._window + 1 if self._window < self._in_flight + 8 else None
        if hold:
            self._close(now + hold)

    def _close(self, until: float) -> None:
        if until > self._gate_until:
            self._gate_until = until
            self._gate_to_close = until
