from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.money import NANO, Price, dollars, nano

tokens = st.integers(0, 10**9)
prices = st.integers(0, 10**12)


@given(tokens, tokens, prices, prices)
def test_a_cost_is_off_by_half_a_nano_dollar_at_most(
    tokens_in: int, tokens_out: int, per_in: int, per_out: int
) -> None:
    exact = Fraction(tokens_in * per_in + tokens_out * per_out, 10**6)
    assert abs(Price(per_in, per_out).cost(tokens_in, tokens_out) - exact) <= Fraction(1, 2)


def test_a_cost_is_what_the_price_list_says() -> None:
    price = Price(nano(Decimal("0.15")), nano(Decimal("0.60")))
    assert dollars(price.cost(1_000_000, 500_000)) == 0.45


@pytest.mark.parametrize(
    ("amount", "whole"), [("5", 5 * NANO), ("0.0000000004", 0), ("0.0000000005", 1), ("0.0000000015", 2)]
)
def test_dollars_become_whole_nano_dollars(amount: str, whole: int) -> None:
    assert nano(Decimal(amount)) == whole
