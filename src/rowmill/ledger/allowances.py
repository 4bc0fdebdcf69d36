"""What the month's usage limits leave for each engine.

It is leased, as moments are in ``rowmill.ledger.limits``. The line of a claim says what it holds: what it has in flight
or may start. A lease is given only from what neither the usage of the month nor any living engine holds. So the rows of
a month never exceed their limit, but for those in flight when it was set or lowered; its nano-dollars exceed theirs by
no more than the calls in flight cost beyond what they were taken to cost.
"""

from collections.abc import Callable, Sequence
from typing import Any

from rowmill.core.bounds import NO_LIMIT
from rowmill.core.commit import Claim
from rowmill.core.usage import Amount, Grant, UsageLimits
from rowmill.db.database import Database, DbRow, Presence
from rowmill.ledger.usage import LIMITS, days_of_month

_Execute = Callable[[str, Sequence[Any]], list[DbRow]]

_LIMITS = f"SELECT {LIMITS}"
# PostgreSQL would make decimals of sums.
_USED = """
SELECT CAST(coalesce(sum(rows), 0) AS BIGINT), CAST(coalesce(sum(cost), 0) AS BIGINT) FROM usage
WHERE day BETWEEN ? AND ?
"""
_HELD = "SELECT job, generation, engine, held_rows, held_cost FROM claims"
_HOLD = "UPDATE claims SET held_rows = ?, held_cost = ? WHERE job = ? AND generation = ?"


class Allowances:
    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence

    def lease(self, claim: Claim, held: Amount, need: Amount, want: Amount, now: float) -> Grant:
        """Grants ``claim`` up to ``want`` beside the ``held`` that it has in flight, nothing where there is no room for
        ``need``. What it was granted before and has not started is given back by this."""
        grant, holds = self._grant(self._database.read, claim, held, need, want, now)
        if holds == held + grant.amount:
            return grant
        with self._database.transaction() as tx:
            # An update although nothing changes: it locks the lines, so that no two engines lease at once.
            tx.execute("UPDATE usage_limits SET amount = amount")
            grant, _ = self._grant(tx.execute, claim, held, need, want, now)
            holds = held + grant.amount
            tx.execute(_HOLD, (holds.rows, holds.cost, claim.job, claim.generation))
        return grant

    def _grant(
        self, execute: _Execute, claim: Claim, held: Amount, need: Amount, want: Amount, now: float
    ) -> tuple[Grant, Amount]:
        """What ``claim`` can be granted, and what its line says that it holds."""
        limits = UsageLimits(*execute(_LIMITS, ())[0])
        used = Amount(*execute(_USED, days_of_month(now))[0])
        held_by = execute(_HELD, ())
        alive = self._presence.alive_among(engine for _, _, engine, *amount in held_by if any(amount))
        own, others = Amount(), Amount()
        for job, generation, engine, *amount in held_by:
            if (job, generation) == (claim.job, claim.generation):
                own = Amount(*amount)
            elif any(amount) and engine in alive:
                others += Amount(*amount)
        return _granted(_room(limits) - used - held, others, need, want), own


def _room(limits: UsageLimits) -> Amount:
    return Amount(
        NO_LIMIT if limits.rows is None else limits.rows,
        NO_LIMIT if limits.cost is None else limits.cost,
    )


def _granted(room: Amount, others: Amount, need: Amount, want: Amount) -> Grant:
    left = room - others
    if left.covers(need):
        return Grant(Amount(max(0, min(want.rows, left.rows)), max(0, min(want.cost, left.cost))))
    if room.covers(need):
        return Grant(Amount())
    return Grant(Amount(), "rows" if room.rows < need.rows else "cost")
