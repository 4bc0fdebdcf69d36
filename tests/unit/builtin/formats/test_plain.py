import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.builtin.formats.plain import iso_duration, plain_float, short_fraction

SECOND = 10**9


@pytest.mark.parametrize(("value", "name"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")])
def test_what_is_no_number_goes_by_its_name(value: float, name: str) -> None:
    assert plain_float(value) == name


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_stays_itself(value: float) -> None:
    assert plain_float(value) is value


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "PT0S"),
        (1, "PT0.000000001S"),
        (-90 * SECOND, "-PT1M30S"),
        (86_400 * SECOND, "P1D"),
        (30 * 3600 * SECOND + SECOND // 2, "P1DT6H0.5S"),
        ((2 * 86_400 + 3 * 3600 + 4 * 60 + 5) * SECOND, "P2DT3H4M5S"),
        (20 * SECOND, "PT20S"),
    ],
)
def test_durations_are_written_as_iso_8601_has_them(nanoseconds: int, text: str) -> None:
    assert iso_duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("text", "short"), [("1.500", "1.5"), ("1.000", "1"), ("100", "100"), ("2024-01-10", "2024-01-10")]
)
def test_only_fractions_lose_their_zeros(text: str, short: str) -> None:
    assert short_fraction(text) == short
