import pytest

from rowmill.core.errors import UsageError
from rowmill.core.usage import Used
from rowmill.ledger.store import Store
from rowmill.shapes.usage import Usage
from rowmill.usage.report import days_of, usage_view


def test_usage_says_of_what_it_is() -> None:
    used = Used(3, 4, 10, 2, 1_500_000_000)
    assert usage_view("model", "openai/m", used) == Usage(
        day=None, model="openai/m", job=None, rows=3, attempts=4, tokens_in=10, tokens_out=2, cost_usd=1.5
    )


def test_a_month_is_this_one_unless_said_otherwise(store: Store) -> None:
    store.clock = lambda: 1_700_000_000.0
    assert days_of(store, None) == ("2023-11-01", "2023-11-31")
    assert days_of(store, "2024-02") == ("2024-02-01", "2024-02-31")


@pytest.mark.parametrize("month", ["2024", "2024-13", "2024-2", "last", "2024-02-01", "２０２４-02"])
def test_what_is_no_month_is_refused(store: Store, month: str) -> None:
    with pytest.raises(UsageError, match="is no month"):
        days_of(store, month)
