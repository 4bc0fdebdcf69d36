"""Limits that hold across every process on one store: per connection key, when the next call may start.

The pace is that of a leaky bucket as a meter (GCRA): each call moves a theoretical arrival time on by the interval
that it costs. Source: ATM Forum, Traffic Management 4.0, 4.4.2; the same as a virtual scheduling algorithm. No minute
has more requests than the limit; of tokens, which come in lumps, it may have one call's more.
"""

from collections.abc import Sequence

from rowmill.model.ledger import Lease
from rowmill.store.database import Database

# A lease may be used up to HORIZON late; pacing this much slower keeps every window of a minute within the limit.
HORIZON = 0.25
_WINDOW = 60.0 + 2 * HORIZON


class Limits:
    def __init__(self, database: Database) -> None:
        self._database = database

    def lease(self, key: str, weights: Sequence[int], rpm: int | None, tpm: int | None, now: float) -> Lease:
        """Reserves the next moments at which calls with these ``weights`` (tokens) may start, in order."""
        request = _WINDOW / rpm if rpm else 0.0
        starts = []
        with self._database.transaction() as tx:
            # An update even where nothing changes: it locks the line.
            request_at, token_at = tx.execute(
                """INSERT INTO limits (key, requests_at, tokens_at, gate_until) VALUES (?, 0, 0, 0)
                   ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING requests_at, tokens_at""",
                (key,),
            )[0]
            for weight in weights:
                start = max(now, request_at, token_at if tpm else now)
                starts.append(start)
                request_at = start + request
                token_at = start + (weight * _WINDOW / tpm if tpm else 0.0)
            tx.execute("UPDATE limits SET requests_at = ?, tokens_at = ? WHERE key = ?", (request_at, token_at, key))
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
