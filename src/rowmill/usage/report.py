"""What was used, as every interface shows it."""

import re
from datetime import date
from typing import get_args

from rowmill.core.errors import UsageError
from rowmill.core.money import dollars
from rowmill.core.usage import Used
from rowmill.ledger.store import Store
from rowmill.ledger.usage import By, day_of, days_of_month
from rowmill.shapes.usage import Usage

BY: tuple[str, ...] = get_args(By)


def usage_view(by: By, key: str, used: Used) -> Usage:
    """What was used on the day, of the model or by the job ``key``."""
    return Usage(
        day=key if by == "day" else None,
        model=key if by == "model" else None,
        job=key if by == "job" else None,
        rows=used.rows,
        attempts=used.attempts,
        tokens_in=used.tokens_in,
        tokens_out=used.tokens_out,
        cost_usd=dollars(used.cost),
    )


def days_of(store: Store, month: str | None) -> tuple[str, str]:
    """The days from and to which ``month`` (``2026-11``) lasts, by default this one. Raises ``UsageError``."""
    if month is None:
        return days_of_month(store.clock())
    try:
        if not re.fullmatch(r"\d{4}-\d{2}", month):
            raise ValueError
        date.fromisoformat(f"{month}-01")
    except ValueError:
        raise UsageError(f"{month!r} is no month.", f"Write it as {day_of(store.clock())[:7]}.") from None
    return f"{month}-01", f"{month}-31"
