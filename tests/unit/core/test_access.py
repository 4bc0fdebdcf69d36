from itertools import product

from rowmill.core.access import Access


def test_each_scope_includes_itself_and_those_before_it() -> None:
    allowed = {(mine.value, asked.value) for mine, asked in product(Access, Access) if mine.includes(asked)}
    assert allowed == {
        ("read", "read"),
        ("run", "read"),
        ("run", "run"),
        ("admin", "read"),
        ("admin", "run"),
        ("admin", "admin"),
    }
