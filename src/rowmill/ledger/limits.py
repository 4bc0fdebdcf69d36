"""Limits that hold across every process on one store: per connection key, when the next call may start.

The pace is that of a leaky bucket as a meter (GCRA): each call moves a theoretical arrival time on by the interval
that it costs. Source: ATM Forum, Traffic Management 4.0, 4.4.2; the same as a virtual scheduling algorithm. No minute
has more requests than the limit; of tokens, which come in lumps, it may have one call's more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rowmill.core.commit import Lease
from rowmill.db.database import Database, Transaction

# A lease may be used up to HORIZON late; pacing this much slower keeps every window of a minute within the limit.
HORIZON = 0.25
_WINDOW = 60.0 + 2 * HORIZON


@dataclass(frozen=True, slots=True)
class Meter:
    """Requests and tokens per minute of everything that calls under ``key``; ``None``: not bounded."""

    key: str
    rpm: int | None
    tpm: int | None


class Limits:
    def __init__(self, database: Database) -> None:
        self._database = database

    def lease(self, meters: Sequence[Meter], weights: Sequence[int], now: float) -> Lease:
        """Reserves the next moments at which calls with these ``weights`` (tokens) may start, in order: each when all
        ``meters``, of different keys, let it.

        Each meter counts a call when those before it let it pass, however long those after it make it wait: a slow job
        takes from a connection that stands before its own limit no more than its calls. In return a minute of the
        connection may have one call more for each such job.
        """
        starts = []
        with self._database.transaction() as tx:
            readings = [_Reading(tx, meter) for meter in meters]
            for weight in weights:
                start = now
                for reading in readings:
                    start = reading.take(start, weight)
                starts.append(start)
            for reading in readings:
                reading.keep()
        return Lease(starts)

    def settle(self, key: str, tokens: int, tpm: int) -> None:
        """Corrects what was reserved by what was used: ``tokens`` more (or, below zero, fewer)."""
        with self._database.transaction() as tx:
            tx.execute("UPDATE limits SET tokens_at = tokens_at + ? WHERE key = ?", (tokens * _WINDOW / tpm, key))

    def close_gate(self, key: str, until: float) -> None:
        """No call of ``key`` starts before ``until`` (Unix seconds), in any process."""
        with self._database.transaction() as tx:
            tx.execute(
                """INSERT INTO limits (key, requests_at, tokens_at, gate_until) VALUES (?, 0, 0, ?)
                   ON CONFLICT (key) DO UPDATE SET gate_until =
                      CASE WHEN limits.gate_until > excluded.gate_until THEN limits.gate_until
                           ELSE excluded.gate_until END""",
                (key, until),
            )

    def gate(self, key: str) -> float:
        """Until when (Unix seconds) the gate of ``key`` is closed."""
        lines = self._database.read("SELECT gate_until FROM limits WHERE key = ?", (key,))
        return float(lines[0][0]) if lines else 0.0


class _Reading:
    """Where a meter stands, within one transaction."""

    def __init__(self, tx: Transaction, meter: Meter) -> None:
        self._tx, self._meter = tx, meter
        # An update even where nothing changes: it locks the line.
        lines = tx.execute(
            """INSERT INTO limits (key, requests_at, tokens_at, gate_until) VALUES (?, 0, 0, 0)
               ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING requests_at, tokens_at""",
            (meter.key,),
        )
        self._request_at, self._token_at = map(float, lines[0])

    def take(self, at: float, weight: int) -> float:
        """Counts a call that may not start before ``at``; returns when it may."""
        rpm, tpm = self._meter.rpm, self._meter.tpm
        start = max(at, self._request_at, self._token_at if tpm else at)
        self._request_at = start + (_WINDOW / rpm if rpm else 0.0)
        self._token_at = start + (weight * _WINDOW / tpm if tpm else 0.0)
        return start

    def keep(self) -> None:
        self._tx.execute(
            "UPDATE limits SET requests_at = ?, tokens_at = ? WHERE key = ?",
            (self._request_at, self._token_at, self._meter.key),
        )
