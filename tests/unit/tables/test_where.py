import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.errors import UsageError
from rowmill.tables.where import Where


def holds(condition: str, cell: object) -> bool:
    return Where(condition).holds({"c": cell})


@pytest.mark.parametrize(
    ("condition", "cells", "others"),
    [
        ("c = 12", [12, 12.0, "12", "12.0", " 12 ", "012", "1.2e1"], [13, "12x", "1_2", "", None, [12], {"a": 12}]),
        ("c = 1", [1], [True, "true"]),
        ("c == 12", ["12"], ["13"]),
        ("c != 12", [13, "x", "", None, [], [12]], [12, "12"]),
        ("c <> 12", [13], [12]),
        ("c < 2", [1, "-10", 1.5, ".5"], [2, "10", "", None, "x", "nan", "٣"]),
        ("c <= 2", [2, "2.0"], [3]),
        ("c > -0.5", [0, "0"], [-1, "-0.5", "x", None]),
        ("c >= 1e3", [1000, "1000"], [999]),
        ("c = 9007199254740993", ["9007199254740993", 9007199254740993], ["9007199254740992", 9007199254740992]),
        ("c = M", ["M"], ["m", " M", "", None, ["M"], 5]),
        ("c = '12'", ["12", 12], ["12.0", 12.5]),
        ("c = 'it''s'", ["it's"], ["it''s"]),
        ("c != M", ["m", "", None], ["M"]),
        ("c >= 2024-01-31", ["2024-01-31", "2024-02-01T10:00"], ["2023-12-31", "", None]),
        ("c = TRUE", [True, "true", "True"], [False, 1, "1", "yes", None]),
        ("c != true", [False, 1, None], [True, "TRUE"]),
        ("c in (S, 'x l', 10, false)", ["S", "x l", "10", 10.0, False, "FALSE"], ["s", "x", 0, "0", "", None, ["S"]]),
        ("c not in (S, 10)", ["s", "", None, ["S"]], ["S", "10"]),
        ("c contains 'Ed w'", ["Red wine"], ["Redwine", "", None, {"a": "ed w"}]),
        ("c contains 2", [123, "No 2", [2], ["2"]], [3, "", [], ["12"]]),
        ("c contains red", [["blue", "red"], "Redder"], [["Red"], ["redder"], []]),
        ("c contains 007", ["a007"], ["a7"]),
        ("c not contains x", ["a", "", None], ["X"]),
        ("c starts with 're'", ["Red", "re"], ["are", "", None, ["re"]]),
        ("c ends with 're'", ["aRE"], ["red", "", None]),
        ("c not starts with a", ["b", None], ["A"]),
        ("c is empty", [None, "", []], [" ", 0, False, {}, "a"]),
        ("c is not empty", [" ", 0, False, [None]], [None, "", []]),
        ("C = 1", [], [1]),
        ("not c > 5", [1, None], [6]),
        ("c = 1 or c = 2 and c = 3", [1], [2, 3]),
        ("(c = 1 or c = 2) and c < 2", [1], [2]),
        ("not c = 1 and c < 3", [2], [1, 3]),
        ("NOT c IS EMPTY AND (c Starts With a OR c IN (b))", ["ax", "b"], ["", "c"]),
        ("c<>1 and(c>-1)", [0], [1, -1]),
    ],
)
def test_what_a_condition_chooses(condition: str, cells: list[Any], others: list[Any]) -> None:
    where = Where(condition)
    assert [cell for cell in [*cells, *others] if where.holds({"c": cell})] == cells


def test_a_missing_value_is_empty() -> None:
    assert Where("c is empty").holds({})
    assert not Where("c = 1").holds({})


def test_columns_are_words_or_stand_in_double_quotes() -> None:
    where = Where('a.b-c_1 = x and "Product Type" = Shirt and "say ""hi""" = 1 and "and" = 2 and "=" = a.b-c_1')
    assert where.variables == ("a.b-c_1", "Product Type", 'say "hi"', "and", "=")
    assert where.holds({"a.b-c_1": "x", "Product Type": "Shirt", 'say "hi"': 1, "and": 2, "=": "a.b-c_1"})


def test_operators_as_columns_names_need_no_quotes_where_they_cannot_be_mistaken() -> None:
    assert Where("contains contains contains and ends ends with ends").variables == ("contains", "ends")


def test_an_unknown_column_is_refused_with_the_columns_there_are() -> None:
    where = Where("Size = M and Prise > 5")
    where.check(["Size", "Prise"])
    with pytest.raises(UsageError) as caught:
        where.check(["Size", "Price"])
    assert str(caught.value) == (
        "The condition names the column 'Prise', but there is no such column. "
        "Did you mean 'Price'? The columns are: 'Size', 'Price'."
    )


@pytest.mark.parametrize(
    ("condition", "sentence", "hint"),
    [
        ("", "ends where a column is expected", ""),
        ("a", "ends where an operator is expected", "The operators are: '=',"),
        ("a >", "ends where a value is expected", ""),
        ("(a = 1", "ends where ')' is expected", ""),
        ("a = 1)", "has ')' at position 6 where 'and', 'or' or the end is expected", ""),
        ("()", "has ')' at position 2 where a column is expected", ""),
        ("'a' = 5", "has \"'a'\" at position 1 where a column is expected", "in double quotes"),
        ("and = 5", "has 'and' at position 1 where a column is expected", ""),
        ("Product Type = x", "has 'Type' at position 9 where an operator is expected", "goes in double quotes"),
        ('a "=" 5', "has '\"=\"' at position 3 where an operator is expected", ""),
        ("a startswith x", "has 'startswith' at position 3", "Did you mean 'starts with'?"),
        ("a contain x", "has 'contain' at position 3", "Did you mean 'contains'?"),
        ("a like x", "has 'like' at position 3", "Did you mean 'contains'?"),
        ("a => 5", "has '=>' at position 3", "Did you mean '>='?"),
        ("a starts x", "has 'x' at position 10 where 'with' is expected", ""),
        ("a not = 5", "where 'contains', 'starts with', 'ends with' or 'in' is expected", ""),
        ("a is 5", "has '5' at position 6 where 'empty' is expected", "write =."),
        ("a is emtpy", "has 'emtpy' at position 6", "Did you mean 'empty'?"),
        ('a = "M"', "has '\"M\"' at position 5 where a value is expected", "in single quotes"),
        ("a = null", "has 'null' at position 5 where a value is expected", "write is empty"),
        ("a = ''", "has an empty text at position 5", "Write is empty"),
        ("a in ()", "has ')' at position 7 where a value is expected", ""),
        ("a in S", "has 'S' at position 6 where '(' is expected", "Write in (S, M, L)."),
        ("a in (S M)", "has 'M' at position 9 where ')' is expected", "commas"),
        ("a = extra large", "has 'large' at position 11 where 'and'", "single quotes"),
        ("a = 1 adn b = 2", "has 'adn' at position 7", "Did you mean 'and'?"),
        ("a = 1 && b = 2", "has '&&' at position 7", "Did you mean 'and'?"),
        ("(a = 1 orr b = 2)", "has 'orr' at position 8", "Did you mean 'or'?"),
        ("a > true", "compares with true at position 5 by '>'", "no order"),
        ("a = 'b", 'opens a quote at position 5 without closing it: "\'b"', "twice"),
        ('"a = b', "opens a quote at position 1 without closing it", ""),
        ("a = 10 %", "has '%' at position 8, which is no part", "single quotes"),
        ("(" * 10_000, "is nested more than 50 deep at position 52", "fewer parentheses"),
        ("not " * 10_000, "is nested more than 50 deep at position 205", "fewer parentheses"),
    ],
)
def test_what_is_refused(condition: str, sentence: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Where(condition)
    assert caught.value.message.startswith("The condition ")
    assert sentence in caught.value.message
    assert hint in caught.value.hint


def test_a_condition_may_be_long_if_it_is_flat() -> None:
    assert Where(" or ".join(f"c = {number}" for number in range(5000))).holds({"c": "4999"})
    assert Where(f"c in ({', '.join(f'key{number}' for number in range(5000))})").holds({"c": "key4999"})


pieces = st.sampled_from(
    [*"()',\"=<>!&%- ", "and", "or", "not", "in", "is", "empty", "contains", "starts", "with", "a", "'b'", "12", "true"]
)


@given(st.text() | st.lists(pieces).map(" ".join) | st.lists(pieces).map("".join))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        where = Where(text)
    except UsageError:
        return
    assert where.variables
    assert isinstance(where.holds({}), bool)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    anything,
    st.sampled_from(["=", "!=", "<", ">=", "contains", "starts with", "ends with", "in"]),
    st.sampled_from(["5", "x"]),
)
def test_any_value_holds_or_not(cell: object, operation: str, value: str) -> None:
    assert isinstance(holds(f"c {operation} ({value})" if operation == "in" else f"c {operation} {value}", cell), bool)
    assert holds(f"c = {value}", cell) is not holds(f"c != {value}", cell)
    assert holds("c is empty", cell) is (cell in (None, "", []))


# A second reading of the module's documentation, by other means: every node is its text, how tightly its text binds,
# and what it says of a record.
Says = Callable[[dict[str, Any]], bool]
Node = tuple[str, int, Says]
OR, AND, ATOM = range(3)

names = st.sampled_from(["price", "size", "Unit price (€)", 'say "x"', "not"])
texts = st.sampled_from(["M", "m", "red", "Red", "infrared", "2024-01-31", "12", "-0.5", "1e1", "007", "true", "x'y"])
numbers = st.sampled_from(["12", "-0.5", "1e1", "007", "0", ".5"])
booleans = st.sampled_from(["true", "FALSE"])
scalars = st.none() | st.just("") | texts | st.sampled_from([" 12 ", "TRUE", "1_0", 0, 12, 10, 0.5, -0.5, True, False])
cells = scalars | st.lists(scalars, max_size=2) | st.just({"a": 12})
records = st.dictionaries(names, cells)
cases = st.sampled_from([str.lower, str.upper, str.title])

# (source, text, value)
literals = st.one_of(
    texts.map(lambda text: ("'" + text.replace("'", "''") + "'", text, text)),
    st.sampled_from(["M", "red", "2024-01-31"]).map(lambda word: (word, word, word)),
    numbers.map(lambda number: (number, number, Decimal(number))),
    booleans.map(lambda word: (word, word, word == "true")),
)


def number_of(cell: object) -> Decimal | None:
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    try:
        return Decimal(str(cell).strip()) if set(str(cell)) <= set(" 0123456789.+-e") else None
    except InvalidOperation:
        return None


def text_of(cell: object) -> str | None:
    if cell in (None, "") or isinstance(cell, list | dict):
        return None
    return cell if isinstance(cell, str) else json.dumps(cell)


def cell_as(value: object, cell: object) -> Any:
    if isinstance(value, bool):
        said = text_of(cell)
        return None if said is None or said.lower() not in ("true", "false") else said.lower() == "true"
    return number_of(cell) if isinstance(value, Decimal) else text_of(cell)


def quoted(name: str) -> str:
    return name if name in ("price", "size") else '"' + name.replace('"', '""') + '"'


@st.composite
def comparisons(draw: st.DrawFn) -> Node:
    name, (source, _, value) = draw(names), draw(literals)
    signs = ["=", "==", "!=", "<>"] if isinstance(value, bool) else ["=", "!=", "<", "<=", ">", ">="]
    sign = draw(st.sampled_from(signs))

    def says(record: dict[str, Any]) -> bool:
        cell = cell_as(value, record.get(name))
        if sign in ("!=", "<>"):
            return bool(cell is None or cell != value)
        if cell is None:
            return False
        return (cell == value and "=" in sign) or (cell < value and "<" in sign) or (cell > value and ">" in sign)

    return f"{quoted(name)}{draw(st.sampled_from(['', ' ']))}{sign} {source}", ATOM, says


@st.composite
def searches(draw: st.DrawFn) -> Node:
    name, (source, text, value), case = draw(names), draw(literals), draw(cases)
    word, negated = draw(st.sampled_from(["contains", "starts with", "ends with"])), draw(st.booleans())

    def says(record: dict[str, Any]) -> bool:
        cell = record.get(name)
        if isinstance(cell, list):
            found = word == "contains" and any(cell_as(value, one) == value for one in cell)
        else:
            inside, part = (text_of(cell) or "").lower(), text.lower()
            found = {"contains": part in inside, "starts with": inside[: len(part)] == part}.get(
                word, inside[-len(part) :] == part
            )
        return found != negated

    return f"{quoted(name)} {case('not ' if negated else '')}{case(word)} {source}", ATOM, says


@st.composite
def memberships(draw: st.DrawFn) -> Node:
    name, several, case = draw(names), draw(st.lists(literals, min_size=1, max_size=4)), draw(cases)
    negated = draw(st.booleans())

    def says(record: dict[str, Any]) -> bool:
        return any(cell_as(value, record.get(name)) == value for _, _, value in several) != negated

    inside = ", ".join(source for source, _, _ in several)
    return f"{quoted(name)} {case('not in' if negated else 'in')} ({inside})", ATOM, says


@st.composite
def emptiness(draw: st.DrawFn) -> Node:
    name, negated, case = draw(names), draw(st.booleans()), draw(cases)
    words = case("is not empty" if negated else "is empty")
    return f"{quoted(name)} {words}", ATOM, lambda record: (record.get(name) in (None, "", [])) != negated


def within(node: Node, level: int) -> str:
    return node[0] if node[1] >= level else f"({node[0]})"


def joined(nodes: list[Node], word: str, level: int, decide: Callable[[list[bool]], bool]) -> Node:
    text = f" {word} ".join(within(node, level) for node in nodes)
    return text, level, lambda record: decide([says(record) for _, _, says in nodes])


def denied(node: Node, word: str) -> Node:
    return f"{word} {within(node, ATOM)}", ATOM, lambda record: not node[2](record)


conditions: st.SearchStrategy[Node] = st.recursive(
    comparisons() | searches() | memberships() | emptiness(),
    lambda inner: st.one_of(
        st.builds(denied, inner, st.sampled_from(["not", "NOT"])),
        st.lists(inner, min_size=2, max_size=3).map(lambda nodes: joined(nodes, "and", AND, all)),
        st.lists(inner, min_size=2, max_size=3).map(lambda nodes: joined(nodes, "OR", OR, any)),
    ),
    max_leaves=8,
)


@given(conditions, st.lists(records, min_size=1, max_size=5))
def test_a_condition_says_what_its_documentation_says(condition: Node, asked: list[dict[str, Any]]) -> None:
    text, _, says = condition
    where = Where(text)
    assert [where.holds(record) for record in asked] == [says(record) for record in asked]
