import pytest

from rowmill.builtin.formats.header import check_different, name_columns
from rowmill.core.errors import InputError


def test_names_lose_their_blanks_and_those_without_are_named_by_position() -> None:
    assert name_columns([" a ", "", "column_2", " "], "t") == ["a", "column_2_", "column_2", "column_4"]


@pytest.mark.parametrize(
    ("header", "which"),
    [(["x"] * 2, "the 1st and the 2nd"), ([*"abcdefghijx", "y", "x"], "the 11th and the 13th")],
)
def test_a_name_given_twice_is_refused_with_both_positions(header: list[str], which: str) -> None:
    with pytest.raises(InputError, match=rf'^t has two columns called "x", {which}\. Rename one of them\.$'):
        name_columns(header, "t")


def test_blanks_tell_names_apart_only_where_they_count() -> None:
    check_different(["a", "a "], "t")
    with pytest.raises(InputError):
        name_columns(["a", "a "], "t")
