from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.errors import UsageError
from rowmill.core.ranges import parse_ranges

TOTAL = 60
pairs = st.tuples(st.integers(1, TOTAL), st.integers(1, TOTAL)).map(lambda pair: (min(pair), max(pair)))


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("1-10", [(1, 10)]),
        ("7", [(7, 7)]),
        ("50-", [(50, TOTAL)]),
        (" 20 - 22 , 1-2 ", [(1, 2), (20, 22)]),
        ("1-5,6-9", [(1, 9)]),
        ("1-9,2-3", [(1, 9)]),
    ],
)
def test_the_grammar(text: str, ranges: list[tuple[int, int]]) -> None:
    assert parse_ranges(text, TOTAL) == ranges


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Row range '' is not a range."),
        ("-", "Row range '-' is not a range."),
        ("1-2,", "Row range '' is not a range."),
        ("a-b", "Row range 'a-b' is not a range."),
        ("+1", "Row range '+1' is not a range."),
        ("1_0", "Row range '1_0' is not a range."),
        ("٣", "Row range '٣' is not a range."),
        ("0", "Row range '0' does not run from a first to a later row."),
        ("5-4", "Row range '5-4' does not run from a first to a later row."),
        ("61-", "Row range '61-' begins after the last row, 60."),
        ("-3", "Row range '-3' has no first row."),
        ("1-61", "Row range '1-61' ends after the last row, 60."),
    ],
)
def test_what_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_ranges(text, TOTAL)
    assert caught.value.message == sentence


def test_a_number_longer_than_python_reads_is_refused_too() -> None:
    with pytest.raises(UsageError):
        parse_ranges("9" * 5000, TOTAL)


@given(st.lists(pairs, min_size=1))
def test_ranges_hold_exactly_the_rows_that_were_named_in_order_and_apart(chosen: list[tuple[int, int]]) -> None:
    ranges = parse_ranges(",".join(f"{first}-{last}" for first, last in chosen), TOTAL)
    assert [row for first, last in ranges for row in range(first, last + 1)] == sorted(
        {row for first, last in chosen for row in range(first, last + 1)}
    )
    assert all(after[0] > before[1] + 1 for before, after in pairwise(ranges))


@given(st.text(st.sampled_from("0123456789-, x")))
def test_any_text_is_ranges_within_the_table_or_refused(text: str) -> None:
    try:
        ranges = parse_ranges(text, TOTAL)
    except UsageError:
        return
    assert all(1 <= first <= last <= TOTAL for first, last in ranges)
