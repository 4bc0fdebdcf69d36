from rowmill.core.quote import one_line


def test_white_space_becomes_single_spaces() -> None:
    assert one_line("  a\n\n b\tc ", 5) == "a b c"


def test_what_is_too_long_is_cut_and_marked() -> None:
    assert one_line("a b c d", 5) == "a b c…"
