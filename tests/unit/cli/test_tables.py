from math import inf

import pytest

from rowmill.cli.tables import format_table, print_note, print_table

ID = "job_1bvhpxa4ktn2q8w7"
TABLE = [["id", "name", "rows"], [ID, "a name that is longer than a terminal has room for", "1,000"]]


def test_text_is_shortened_and_ids_and_numbers_are_not() -> None:
    lines, hidden = format_table(TABLE, text=[1], width=50)
    assert lines[1] == f"{ID}  a name that is longe…  1,000"
    assert (len(lines[1]), hidden) == (50, [])


def test_columns_without_room_are_left_out_and_named() -> None:
    lines, hidden = format_table(TABLE, text=[1], width=40)
    assert (lines[1], hidden) == (f"{ID}  a name that is lo…", ["rows"])


def test_the_first_column_is_always_there() -> None:
    assert format_table(TABLE, text=[1], width=5) == (["id", ID], ["name", "rows"])


def test_without_a_terminal_only_long_text_is_shortened() -> None:
    lines, _ = format_table([["id", "text"], [ID * 5, "x" * 100]], text=[1], width=inf)
    assert lines[1] == f"{ID * 5}  {'x' * 59}…"


def test_wide_characters_line_breaks_and_missing_cells_keep_columns_straight() -> None:
    lines, _ = format_table([["a", "b"], ["日本", "1"], [None, "2"], ["x\ny", "3"]], text=[0], width=80)
    assert lines == ["a     b", "日本  1", "      2", "x y   3"]


def test_in_full_nothing_is_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["id", "text"], [[ID, "x" * 100]], text=[1], full=True)
    assert capsys.readouterr().out.splitlines()[1] == f"{ID}  {'x' * 100}"


def test_a_note_stands_apart_from_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_note("1 more column.")
    assert capsys.readouterr().err == "\n1 more column.\n"
