"""What calls have used, noted in the transaction that saves them, and the limits of a month.

An attempt counts on the day (UTC) on which it ended. So usage is at every moment exactly what the saved attempts add up
to, whoever made them and whatever crashed in between. It outlives its job.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from rowmill.core.commit import Batch, Claim
from rowmill.core.job import Attempt
from rowmill.core.usage import UsageLimits, Used
from rowmill.db.database import Database, Transaction

LIMITS = """
    (SELECT amount FROM usage_limits WHERE name = 'rows_per_month'),
    (SELECT amount FROM usage_limits WHERE name = 'cost_per_month')"""
"""The limits as columns of a statement that asks for something else; next to nothing where there are none."""

By = Literal["day", "model", "job"]
_DAY = 86_400

_NOTE = """
INSERT INTO usage (day, model, job, rows, attempts, tokens_in, tokens_out, cost) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (day, model, job) DO UPDATE SET rows = usage.rows + excluded.rows,
   attempts = usage.attempts + excluded.attempts, tokens_in = usage.tokens_in + excluded.tokens_in,
   tokens_out = usage.tokens_out + excluded.tokens_out, cost = usage.cost + excluded.cost
"""
# PostgreSQL would make decimals of sums.
_SUMS = ", ".join(
    f"CAST(coalesce(sum({column}), 0) AS BIGINT)" for column in ("rows", "attempts", "tokens_in", "tokens_out", "cost")
)


class Usage:
    def __init__(self, database: Database) -> None:
        self._database = database

    def between(
        self, first_day: str, last_day: str, by: By, after: str = "", limit: int = 1000
    ) -> list[tuple[str, Used]]:
        """What was used from ``first_day`` to ``last_day`` (``2026-11-30``, both included), added up for each
        day, model or job, in the order of these after ``after``."""
        lines = self._database.read(
            f"""SELECT {by}, {_SUMS} FROM usage WHERE day BETWEEN ? AND ? AND {by} > ?
                GROUP BY {by} ORDER BY {by} LIMIT ?""",  # noqa: S608 - one of three names
            (first_day, last_day, after, limit),
        )
        return [(key, Used(*sums)) for key, *sums in lines]

    def total(self, first_day: str, last_day: str) -> Used:
        """What was used from ``first_day`` to ``last_day``, both included."""
        sql = f"SELECT {_SUMS} FROM usage WHERE day BETWEEN ? AND ?"  # noqa: S608 - constants only
        return Used(*self._database.read(sql, (first_day, last_day))[0])

    def month(self, now: float) -> Used:
        """What was used in the month of ``now`` (Unix seconds)."""
        return self.total(*days_of_month(now))

    def limits(self) -> UsageLimits:
        return UsageLimits(*self._database.read(f"SELECT {LIMITS}")[0])

    def set_limits(self, changes: Mapping[str, int | None], expected: UsageLimits | None = None) -> bool:
        """Sets limits by name (``rows_per_month``; ``cost_per_month`` in nano-dollars), removes those that are
        ``None``; ``False``, changing nothing, where they are no longer those ``expected``."""
        with self._database.transaction() as tx:
            tx.serialize("usage limits")
            if expected is not None and UsageLimits(*tx.execute(f"SELECT {LIMITS}")[0]) != expected:
                return False
            for name, amount in changes.items():
                if amount is None:
                    tx.execute("DELETE FROM usage_limits WHERE name = ?", (name,))
                else:
                    tx.execute(
                        """INSERT INTO usage_limits (name, amount) VALUES (?, ?)
                           ON CONFLICT (name) DO UPDATE SET amount = excluded.amount""",
                        (name, amount),
                    )
        return True


def days_of_month(now: float) -> tuple[str, str]:
    """The first and last day of the month (UTC) of ``now``, as usage is noted; text that nothing of another month lies
    between."""
    month = day_of(now)[:7]
    return f"{month}-01", f"{month}-31"


def day_of(seconds: float) -> str:
    """The day (UTC) of a moment in Unix seconds: ``2026-11-30``."""
    return _day(int(seconds // _DAY))


@lru_cache
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * _DAY, UTC).strftime("%Y-%m-%d")


DayAndStep = tuple[int, int]


def used_by(batch: Batch) -> dict[DayAndStep, Used]:
    """What the attempts in ``batch`` have used, by the day on which they ended and their step."""
    settled = _grouped([each.attempt for each in batch.settled])
    postponed = _grouped([each.attempt for each in batch.postponed if each.attempt])
    return {key: _used(settled.get(key, []), postponed.get(key, [])) for key in {**settled, **postponed}}


def note_usage(tx: Transaction, claim: Claim, job_id: str, used: Mapping[DayAndStep, Used]) -> None:
    """Adds what the attempts of one commit have used."""
    for (day, step), each in used.items():
        amounts = (each.rows, each.attempts, each.tokens_in, each.tokens_out, each.cost)
        tx.execute(_NOTE, (_day(day), claim.models[step], job_id, *amounts))


def _used(ended: Sequence[Attempt], postponed: Sequence[Attempt]) -> Used:
    tried = [*ended, *postponed]
    tokens_in, tokens_out = sum(a.usage.tokens_in for a in tried), sum(a.usage.tokens_out for a in tried)
    return Used(len(ended), len(tried), tokens_in, tokens_out, sum(a.cost for a in tried))


def _grouped(attempts: Sequence[Attempt]) -> dict[DayAndStep, list[Attempt]]:
    groups: dict[DayAndStep, list[Attempt]] = {}
    for attempt in attempts:
        key = (int((attempt.started_at + attempt.duration) // _DAY), attempt.step)
        if key in groups:
            groups[key].append(attempt)
        else:
            groups[key] = [attempt]
    return groups
