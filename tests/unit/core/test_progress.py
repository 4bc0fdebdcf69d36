import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.progress import Counts, eta, rate

counted = st.integers(0, 10**7)


@given(counted, counted, counted, counted)
def test_the_counts_add_up_and_only_all_is_all(succeeded: int, failed: int, skipped: int, left: int) -> None:
    counts = Counts(succeeded + failed + skipped + left, succeeded, failed, skipped)
    assert counts.processed == succeeded + failed + skipped
    assert counts.unprocessed == left
    assert counts.progress is not None
    assert 0 <= counts.progress <= 100
    assert (counts.progress == 100) == (left == 0)


def test_nothing_is_known_of_a_total_that_is_not_known() -> None:
    assert Counts().unprocessed is None
    assert Counts().progress is None


def test_progress_is_rounded_down_to_a_tenth() -> None:
    assert Counts(100_000, 99_999).progress == 99.9
    assert Counts(3, 1).progress == 33.3


@pytest.mark.parametrize(
    ("processed", "before", "seconds", "expected"),
    [(30, 10, 4.0, 5.0), (10, 10, 4.0, 0.0), (5, 10, 4.0, 0.0), (30, 10, 0.1, None)],
)
def test_the_rate_is_that_of_the_time_seen(processed: int, before: int, seconds: float, expected: float | None) -> None:
    assert rate(processed, before, seconds) == expected


@pytest.mark.parametrize(
    ("unprocessed", "pace", "expected"),
    [(100, 20.0, 5.0), (0, None, 0.0), (100, None, None), (100, 0.0, None), (None, 20.0, None)],
)
def test_the_time_left_is_known_only_with_a_total_and_a_rate(
    unprocessed: int | None, pace: float | None, expected: float | None
) -> None:
    assert eta(unprocessed, pace) == expected
