import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.tables.profile import Profiler


class Memory:
    """The rows' hashes in memory."""

    def __init__(self) -> None:
        self.hashes: set[int] = set()

    def __call__(self, hashes: list[int]) -> int:
        before = len(self.hashes)
        self.hashes.update(hashes)
        return len(hashes) - (len(self.hashes) - before)


def profile(columns: Sequence[str], *pages: Sequence[list[Any]]) -> dict[str, Any]:
    profiler = Profiler(columns, Memory())
    for page in pages:
        profiler.add(page)
    return profiler.result()


def column(*cells: object) -> dict[str, Any]:
    found: dict[str, Any] = profile(["c"], [[cell] for cell in cells])["columns"][0]
    return found


def test_a_small_table() -> None:
    pages: tuple[list[list[Any]], ...] = (
        [["S", 1, "2024-01-31"], ["M", 2.5]],
        [["S", 1, "2024-01-31"], ["", None, "2024-02-01"]],
    )
    assert profile(["size", "price", "day"], *pages) == {
        "rows": 4,
        "duplicate_rows": 1,
        "columns": [
            {
                "name": "size",
                "types": {"text": 3, "integer": 0, "number": 0, "boolean": 0, "list": 0, "object": 0, "empty": 1},
                "looks_like": "text",
                "empty_share": 0.25,
                "distinct": 2,
                "distinct_exact": True,
                "examples": ["S", "M"],
            },
            {
                "name": "price",
                "types": {"text": 0, "integer": 2, "number": 1, "boolean": 0, "list": 0, "object": 0, "empty": 1},
                "looks_like": None,
                "empty_share": 0.25,
                "distinct": 2,
                "distinct_exact": True,
                "examples": ["1", "2.5"],
            },
            {
                "name": "day",
                "types": {"text": 3, "integer": 0, "number": 0, "boolean": 0, "list": 0, "object": 0, "empty": 1},
                "looks_like": "date",
                "empty_share": 0.25,
                "distinct": 2,
                "distinct_exact": True,
                "examples": ["2024-01-31", "2024-02-01"],
            },
        ],
    }


def test_a_table_without_rows() -> None:
    found = profile(["c"])
    assert (found["rows"], found["duplicate_rows"]) == (0, 0)
    assert found["columns"][0]["empty_share"] == 0.0
    assert found["columns"][0]["looks_like"] is None
    assert profile([], [[], []])["duplicate_rows"] == 1


def test_every_type_is_counted_and_every_value_is_one_of_its_own() -> None:
    found = column("1", 1, 1.0, True, ["1"], {"a": 1}, "[]", None, "", [], {})
    assert found["types"] == {
        "text": 2,
        "integer": 1,
        "number": 1,
        "boolean": 1,
        "list": 1,
        "object": 2,
        "empty": 3,
    }
    assert found["distinct"] == 8


def test_objects_are_the_same_whatever_the_order_of_their_keys() -> None:
    found = profile(["c"], [[{"a": 1, "b": 2}], [{"b": 2, "a": 1}]])
    assert found["duplicate_rows"] == 1
    assert found["columns"][0]["distinct"] == 1


def test_a_short_row_is_the_same_as_one_that_ends_in_nothing() -> None:
    assert profile(["a", "b"], [["x"], ["x", None], ["x", ""]])["duplicate_rows"] == 1


@pytest.mark.parametrize(
    ("texts", "look"),
    [
        (["1", "0"], "integer"),
        (["12", "-3", " 0 ", ""], "integer"),
        (["12", "0.5", "-.5", "1e5", "1.5E-3"], "number"),
        (["TRUE", "no", "1"], "boolean"),
        (["true", "2"], "text"),
        (["2024-01-31", "1999-12-01"], "date"),
        (["2024-13-01"], "text"),
        (["2024-01-31", "5"], "text"),
        (["007", "1"], "text"),
        (["+49"], "text"),
        (["1234567890123456789"], "text"),
        (["1,5"], "text"),
        (["٣"], "text"),
        (["", None], None),
        ([5, True], None),
        ([5, "5"], "integer"),
    ],
)
def test_what_texts_look_like(texts: list[Any], look: str | None) -> None:
    assert column(*texts)["looks_like"] == look
    assert column(*texts, "x")["looks_like"] == "text"


def test_examples_are_the_first_three_different_ones_cut_short() -> None:
    long = "x" * 41
    assert column("a", "a", "", long, ["y"], "b", "c")["examples"] == ["a", "x" * 39 + "…", "b"]
    assert column([1, 2], None, "x" * 40)["examples"] == ["x" * 40, "[1,2]"]


cells = st.one_of(
    st.none(), st.sampled_from(["", "a", "b", "1"]), st.integers(0, 2), st.sampled_from([0.0, 1.5]), st.booleans(),
    st.lists(st.integers(0, 1), max_size=1),
)  # fmt: skip
tables = st.lists(st.lists(st.lists(cells, max_size=2)))


@given(tables)
def test_counts_are_those_of_the_whole_table(pages: list[list[list[Any]]]) -> None:
    rows = [[*row, None, None][:2] for page in pages for row in page]
    found = profile(["a", "b"], *pages)
    assert found["rows"] == len(rows)
    assert found["duplicate_rows"] == len(rows) - len({json.dumps(row) for row in rows})
    for place, seen in enumerate(found["columns"]):
        filled = [row[place] for row in rows if row[place] not in (None, "", [])]
        assert seen["distinct"] == len({json.dumps(cell) for cell in filled})
        assert seen["types"]["empty"] == len(rows) - len(filled)
        assert sum(seen["types"].values()) == len(rows)


@given(st.lists(st.sampled_from(["a", "b", "1", "2.5", "", "yes"]), min_size=1), st.integers(1, 5))
def test_how_texts_are_cut_into_pages_changes_nothing(texts: list[str], size: int) -> None:
    rows: list[list[Any]] = [[text] for text in texts]
    assert profile(["c"], rows) == profile(["c"], *(rows[at : at + size] for at in range(0, len(rows), size)))


def numbered(count: int) -> dict[str, Any]:
    rows = [[f"value {number}"] for number in range(count)] * 2
    found: dict[str, Any] = profile(["c"], *(rows[at : at + 7000] for at in range(0, len(rows), 7000)))
    return found


def test_many_distinct_values_are_counted_up_to_a_limit() -> None:
    found = numbered(50_000)
    assert found["duplicate_rows"] == 50_000
    assert (found["columns"][0]["distinct"], found["columns"][0]["distinct_exact"]) == (50_000, True)


def test_beyond_the_limit_distinct_values_are_estimated_alike_in_every_process() -> None:
    found = numbered(100_000)["columns"][0]
    assert not found["distinct_exact"]
    assert found["distinct"] == pytest.approx(100_000, rel=0.05)
    assert found["distinct"] == 99_805  # whatever the process: its hashes are not Python's


def test_an_estimate_never_exceeds_the_values_there_are() -> None:
    for count in range(50_001, 50_400, 100):
        assert column(*map(str, range(count)))["distinct"] <= count


@pytest.mark.slow
def test_a_wide_table_shares_the_memory_of_exact_counts() -> None:
    columns = [f"c{number}" for number in range(200)]
    found = profile(columns, [[str(number)] * 200 for number in range(5001)])
    assert not any(seen["distinct_exact"] for seen in found["columns"])
    assert found["columns"][0]["distinct"] == pytest.approx(5001, rel=0.05)
