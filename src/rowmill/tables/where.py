"""The condition of ``rowmill run DATASET --where EXPR``, which chooses records.

::

    price > 10 and (size = M or size in (S, L)) and not name contains 'draft'
    "Product Type" = 'Winter shirt' or note is empty

    CONDITION   and, or, not and parentheses; not binds tightest, then and
    COMPARISON  COLUMN = VALUE                      also != < <= > >=, and == and <> for = and !=
                COLUMN contains VALUE               also starts with, ends with
                COLUMN in (VALUE, …)
                COLUMN is empty
                not may stand before contains, starts, ends and in, and after is
    COLUMN      a word of letters, digits, _ . and -, or any name "in double quotes"
    VALUE       a number, true, false, a word, or any text 'in single quotes'; never another column

A quote within quotes is written twice. Words of the grammar are known in upper and lower case.

What is empty (``null``, ``""``, an empty list) fails every comparison but ``is empty``. A negated comparison (``!=``,
``not in``, ``is not …``) holds exactly where the plain one fails, so ``size != M`` holds where size is empty. The
value decides how a cell is compared:

- with a number, a cell that is one, or a text that reads as one (``12``, ``-0.5``, ``1e3``); any other cell fails;
- with true or false, a JSON boolean, or one of these two words in upper or lower case; they know no order;
- with text, the cell's text, exactly and by case; a number or boolean counts as its JSON. ISO dates sort well.

``contains``, ``starts with`` and ``ends with`` look at the cell's text, and at the value as it was written; here case
does not count. A list contains a value where one of its elements equals it, and fails every other comparison.
"""

import operator
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from rowmill.core.errors import UsageError
from rowmill.core.suggest import did_you_mean, listing
from rowmill.core.template import written

_CellTest = Callable[[Any], bool]
_Test = Callable[[Mapping[str, Any]], bool]

_DEEPEST = 50
_LONGEST_QUOTE = 30

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SYNONYMS = {"==": "=", "<>": "!="}
_OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "contains", "starts with", "ends with", "in", "not in", "is empty")
_OTHER_WORDS = {
    "===": "=",
    "=>": ">=",
    "=<": "<=",
    "&": "and",
    "&&": "and",
    "|": "or",
    "||": "or",
    "!": "not",
    "~": "contains",
    "like": "contains",
    "equals": "=",
    "null": "is empty",
}
_NO_COLUMNS = frozenset({"and", "or", "not", "in", "is"})
_NO_VALUES = _NO_COLUMNS | {"empty", "null"}

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<word>[\w.-]+)
    | '(?P<text>(?:[^']|'')*+)'
    | "(?P<name>(?:[^"]|"")*+)"
    | (?P<sign>[=<>!&|~]+|[(),])
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"\s*[+-]?(?:\d+(\.\d*)?|(\.\d+))(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)
_LONGEST_INTEGER = 300


class Where:
    """A condition, read once and then asked of every record. Raises ``UsageError`` for what is none, saying where."""

    def __init__(self, text: str) -> None:
        parser = _Parser(text)
        self.text = text
        self._test = parser.parse()
        self.variables: tuple[str, ...] = tuple(dict.fromkeys(parser.columns))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether a record with these values is chosen; a missing value is empty. Raises nothing, whatever they are."""
        return self._test(values)

    def check(self, columns: Collection[str]) -> None:
        """Raises ``UsageError`` for the first variable that is no column."""
        for name in self.variables:
            if name not in columns:
                hint = f"{did_you_mean(name, columns)} The columns are: {listing(columns)}.".strip()
                raise UsageError(f"The condition names the column {name!r}, but there is no such column.", hint)


class _Token(NamedTuple):
    kind: str
    text: str
    """What it stands for: without the quotes, and for a word in its own case."""

    source: str
    position: int
    """Of its first character, from 1."""

    @property
    def keyword(self) -> str:
        return self.text.casefold() if self.kind in ("word", "sign") else ""


class _Literal(NamedTuple):
    written: str
    value: str | int | float | bool


class _Parser:
    """Recursive descent; each method takes one rule of the grammar and gives its test."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._place = 0
        self.columns: list[str] = []

    def parse(self) -> _Test:
        test = self._condition(0)
        if self._token.kind != "end":
            raise self._unexpected(
                "'and', 'or' or the end", ("and", "or"), "Text of several words goes in single quotes."
            )
        return test

    def _condition(self, depth: int) -> _Test:
        tests = [self._conjunction(depth)]
        while self._took("or"):
            tests.append(self._conjunction(depth))
        return _any(tests)

    def _conjunction(self, depth: int) -> _Test:
        tests = [self._term(depth)]
        while self._took("and"):
            tests.append(self._term(depth))
        return _all(tests)

    def _term(self, depth: int) -> _Test:
        if depth > _DEEPEST:
            message = f"The condition is nested more than {_DEEPEST} deep at position {self._token.position}."
            raise UsageError(message, "Write it with fewer parentheses and 'not'.")
        if self._took("not"):
            return _negated(self._term(depth + 1))
        if self._took("("):
            test = self._condition(depth + 1)
            self._take(")", ("and", "or"))
            return test
        return self._comparison()

    def _comparison(self) -> _Test:
        column = self._column()
        if self._took("is"):
            negated = self._took("not")
            self._take("empty", hint="To compare with a value, write =.")
            test: _CellTest = _is_empty
        elif self._took("not"):
            negated = True
            test = self._word_operator("'contains', 'starts with', 'ends with' or 'in'")
        elif (sign := _SYNONYMS.get(self._token.keyword, self._token.keyword)) in _COMPARE or sign == "!=":
            negated = sign == "!="
            test = self._sign_operator("=" if negated else sign)
        else:
            negated = False
            test = self._word_operator("an operator")
        if negated:
            test = _negated(test)
        return lambda values: test(values.get(column))

    def _column(self) -> str:
        token = self._token
        if token.kind not in ("word", "name") or token.keyword in _NO_COLUMNS:
            raise self._unexpected("a column", ("not",), "A column's name goes bare or in double quotes.")
        self._place += 1
        self.columns.append(token.text)
        return token.text

    def _sign_operator(self, sign: str) -> _CellTest:
        self._place += 1
        token = self._token
        literal = self._value()
        if sign != "=" and isinstance(literal.value, bool):
            message = f"The condition compares with {token.source} at position {token.position} by {sign!r}."
            raise UsageError(message, "true and false know no order: write = or !=.")
        return _compared(_COMPARE[sign], literal)

    def _word_operator(self, expected: str) -> _CellTest:
        if self._took("contains"):
            return _contains(self._value())
        if self._took("starts"):
            self._take("with")
            return _text_holds(str.startswith, self._value())
        if self._took("ends"):
            self._take("with")
            return _text_holds(str.endswith, self._value())
        if self._took("in"):
            return _one_of(self._values())
        raise self._unexpected(
            expected,
            _OPERATORS,
            f"The operators are: {listing(_OPERATORS)}. A column's name of several words goes in double quotes.",
        )

    def _values(self) -> list[_Literal]:
        self._take("(", hint="Write in (S, M, L).")
        values = [self._value()]
        while self._took(","):
            values.append(self._value())
        self._take(")", hint="Values are parted by commas; text of several words goes in single quotes.")
        return values

    def _value(self) -> _Literal:
        token = self._token
        if token.kind not in ("word", "text") or token.keyword in _NO_VALUES:
            hint = "Text that is no plain word goes in single quotes."
            raise self._unexpected("a value", (), f"{hint} For what is empty, write is empty or is not empty.")
        if not token.text:
            message = f"The condition has an empty text at position {token.position}."
            raise UsageError(message, "Write is empty or is not empty.")
        self._place += 1
        return _Literal(token.text, token.text if token.kind == "text" else _word_value(token.text))

    @property
    def _token(self) -> _Token:
        return self._tokens[self._place]

    def _took(self, keyword: str) -> bool:
        if self._token.keyword != keyword:
            return False
        self._place += 1
        return True

    def _take(self, keyword: str, known: Sequence[str] = (), hint: str = "") -> None:
        if not self._took(keyword):
            raise self._unexpected(repr(keyword), (keyword, *known), hint)

    def _unexpected(self, expected: str, known: Sequence[str], hint: str = "") -> UsageError:
        token = self._token
        if token.kind == "end":
            return UsageError(f"The condition ends where {expected} is expected.", hint)
        meant = _OTHER_WORDS.get(token.keyword)
        suggestion = f"Did you mean {meant!r}?" if meant else did_you_mean(token.keyword, known)
        message = (
            f"The condition has {_quoted(token.source)} at position {token.position} where {expected} is expected."
        )
        return UsageError(message, f"{suggestion} {hint}".strip())


def _tokens(text: str) -> list[_Token]:
    """The tokens of a text, the last one its end."""
    tokens: list[_Token] = []
    place = 0
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(text, place)
        if match is None:
            raise _unreadable(text, place)
        kind = str(match.lastgroup)
        quote = {"text": "'", "name": '"'}.get(kind, "")
        inside = match[kind].replace(quote * 2, quote) if quote else match[kind]
        start = match.start(kind) - len(quote)
        place = match.end()
        tokens.append(_Token(kind, inside, text[start:place], start + 1))
    return tokens


def _unreadable(text: str, place: int) -> UsageError:
    rest = text[place:].lstrip()
    position = len(text) - len(rest) + 1
    if rest[0] in "'\"":
        return UsageError(
            f"The condition opens a quote at position {position} without closing it: {_quoted(rest)}.",
            "Close it, or write a quote that belongs to the text twice.",
        )
    return UsageError(
        f"The condition has {rest[0]!r} at position {position}, which is no part of its grammar.",
        "Text goes in single quotes ('10 %'), a column's name in double quotes.",
    )


def _quoted(source: str) -> str:
    return repr(source if len(source) <= _LONGEST_QUOTE else f"{source[:_LONGEST_QUOTE]}…")


def _word_value(word: str) -> str | int | float | bool:
    for read in (_boolean, _number):
        if (value := read(word)) is not None:
            return value
    return word


def _any(tests: Sequence[_Test]) -> _Test:
    if len(tests) == 1:
        return tests[0]

    def holds(values: Mapping[str, Any]) -> bool:
        for test in tests:  # noqa: SIM110  # a loop takes half the time of a generator
            if test(values):
                return True
        return False

    return holds


def _all(tests: Sequence[_Test]) -> _Test:
    if len(tests) == 1:
        return tests[0]

    def holds(values: Mapping[str, Any]) -> bool:
        for test in tests:  # noqa: SIM110
            if not test(values):
                return False
        return True

    return holds


def _negated(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda subject: not test(subject)


def _compared(compare: Callable[[Any, Any], bool], literal: _Literal) -> _CellTest:
    read, wanted = _reading(literal), literal.value
    return lambda cell: (value := read(cell)) is not None and compare(value, wanted)


def _one_of(literals: Sequence[_Literal]) -> _CellTest:
    wanted: defaultdict[Callable[[Any], Any], set[Any]] = defaultdict(set)
    for literal in literals:
        wanted[_reading(literal)].add(literal.value)
    tests = [_within(read, frozenset(values)) for read, values in wanted.items()]
    return _any(tests)


def _within(read: Callable[[Any], Any], wanted: frozenset[Any]) -> _CellTest:
    return lambda cell: read(cell) in wanted


def _contains(literal: _Literal) -> _CellTest:
    equals = _compared(operator.eq, literal)
    in_text = _text_holds(operator.contains, literal)
    return lambda cell: any(map(equals, cell)) if type(cell) is list else in_text(cell)


def _text_holds(holds: Callable[[str, str], bool], literal: _Literal) -> _CellTest:
    part = literal.written.casefold()
    return lambda cell: (text := _text(cell)) is not None and holds(text.casefold(), part)


def _is_empty(cell: Any) -> bool:
    return cell is None or cell in ("", [])


def _reading(literal: _Literal) -> Callable[[Any], Any]:
    """How a cell is read to be compared with the literal: ``None`` where it cannot be."""
    if isinstance(literal.value, bool):
        return _boolean
    return _text if isinstance(literal.value, str) else _number


def _boolean(cell: Any) -> bool | None:
    if type(cell) is str:
        return {"true": True, "false": False}.get(cell.lower())
    return cell if type(cell) is bool else None


def _number(cell: Any) -> int | float | None:
    if type(cell) is str:
        match = _NUMBER.fullmatch(cell)
        if match is None:
            return None
        # Whole numbers stay exact, which matters to long ids; Python refuses to read extremely long ones.
        return float(cell) if match.lastindex or len(cell) > _LONGEST_INTEGER else int(cell)
    return cell if type(cell) in (int, float) else None


def _text(cell: Any) -> str | None:
    if type(cell) is str:
        return cell or None
    try:
        return written(cell) if type(cell) in (int, float, bool) else None
    except TypeError:  # an integer beyond 64 bits
        return None
