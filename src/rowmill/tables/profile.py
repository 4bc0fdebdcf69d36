"""What a dataset looks like, found in one pass with bounded memory.

Values are what JSON knows. ``None``, ``""`` and ``[]`` are empty, as is what a short row lacks. Two values are the same
where their JSON is: the integer 1, the number 1.0 and the text "1" are three values.

Values and rows are told apart by 64-bit BLAKE2b hashes, the same in every process. That two different ones among n
share a hash has the probability n²/2⁶⁵: 7·10⁻¹¹ for the 50 000 values of a column that are counted exactly, 3·10⁻⁶ for
ten million rows.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from struct import unpack
from typing import Any

import orjson

from rowmill.core.template import written

_EXACT = 50_000
_EXACT_IN_ALL = 1_000_000
_SKETCH = 4096

_EXAMPLES = 3
_LONGEST_EXAMPLE = 40

_TYPES: dict[type, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "list",
    dict: "object",
}

# Only forms that a coercion keeps in full: 007, +49 and numbers beyond 18 digits are names of things.
_FORM = re.compile(
    r"""\s*+(?:
      (?P<bit>[01])
    | (?P<integer>-?(?:0|[1-9]\d{0,17}))
    | (?P<number>-?(?:0|[1-9]\d{0,17})?\.\d+(?:e[+-]?\d{1,3})?|-?[1-9]\d{0,17}e[+-]?\d{1,3})
    | (?P<boolean>true|false|yes|no)
    | (?P<date>\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))
    )\s*+""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_LOOKS = (
    ("integer", {"bit", "integer"}),
    ("number", {"bit", "integer", "number"}),
    ("boolean", {"bit", "boolean"}),
    ("date", {"date"}),
)


class Profiler:
    """Takes a table page by page. ``seen`` is given the hashes of each page's rows, as signed 64-bit integers, and says
    how many of them it had met before, in earlier pages or in this one."""

    def __init__(self, columns: Sequence[str], seen: Callable[[list[int]], int]) -> None:
        exact = max(_SKETCH, min(_EXACT, _EXACT_IN_ALL // max(1, len(columns))))
        self._columns = [_Column(name, exact) for name in columns]
        self._missing = [None] * len(columns)
        self._seen = seen
        self._rows = 0
        self._duplicates = 0

    def add(self, rows: Sequence[list[Any]]) -> None:
        """The next rows, values in the order of the columns; a thousand or so at a time are fastest."""
        width = len(self._missing)
        even = [row if len(row) == width else (row + self._missing)[:width] for row in rows]
        for column, cells in zip(self._columns, zip(*even, strict=True), strict=False):
            column.add(cells)
        self._rows += len(even)
        self._duplicates += self._seen(_row_hashes(even))

    def result(self) -> dict[str, Any]:
        """The profile so far, ready for JSON. ``empty_share`` runs from 0 to 1; ``looks_like`` is what each and every
        text of a column could be coerced to by its form (``text`` where no other type takes them all, ``None`` where
        there is no text); ``distinct`` counts values that are not empty and is an estimate with a standard error of
        1.6 % where ``distinct_exact`` is false."""
        return {
            "rows": self._rows,
            "duplicate_rows": self._duplicates,
            "columns": [column.result() for column in self._columns],
        }


class _Column:
    def __init__(self, name: str, exact: int) -> None:
        self._name = name
        self._types: Counter[str] = Counter(dict.fromkeys([*_TYPES.values(), "empty"], 0))
        self._forms: set[str] = set()
        self._distinct = _Distinct(exact)
        self._examples: dict[str, None] = {}

    def add(self, cells: Sequence[Any]) -> None:
        """The next cells from top to bottom."""
        if set(map(type, cells)) == {str}:
            self._add_texts(cells)
        else:
            self._add_texts([cell for cell in cells if type(cell) is str])
            self._add_others([cell for cell in cells if type(cell) is not str])

    def result(self) -> dict[str, Any]:
        rows = self._types.total()
        filled = rows - self._types["empty"]
        return {
            "name": self._name,
            "types": dict(self._types),
            "looks_like": self._looks_like(),
            "empty_share": self._types["empty"] / rows if rows else 0.0,
            "distinct": min(self._distinct.count(), filled),
            "distinct_exact": self._distinct.exact,
            "examples": list(self._examples),
        }

    def _add_texts(self, cells: Sequence[str]) -> None:
        texts = dict.fromkeys(cells)
        empty = cells.count("") if "" in texts else 0
        texts.pop("", None)
        self._types["empty"] += empty
        self._types["text"] += len(cells) - empty
        self._distinct.add([blake2b(text.encode(), digest_size=8).digest() for text in texts])
        self._look_at(texts)
        self._keep_examples(texts)

    def _add_others(self, cells: Sequence[Any]) -> None:
        filled = [cell for cell in cells if cell is not None and cell != []]
        self._types["empty"] += len(cells) - len(filled)
        self._types.update(_TYPES[type(cell)] for cell in filled)
        values = {orjson.dumps(cell, option=orjson.OPT_SORT_KEYS): cell for cell in filled}
        # No text's UTF-8 begins with this byte, so that a list is never taken for the text of its JSON.
        self._distinct.add([blake2b(b"\xff" + value, digest_size=8).digest() for value in values])
        self._keep_examples(values.values())

    def _look_at(self, texts: Iterable[str]) -> None:
        if "text" not in self._forms:
            self._forms |= {str(form.lastgroup) if (form := _FORM.fullmatch(text)) else "text" for text in texts}

    def _looks_like(self) -> str | None:
        if not self._forms:
            return None
        return next((look for look, forms in _LOOKS if self._forms <= forms), "text")

    def _keep_examples(self, values: Iterable[Any]) -> None:
        for value in values:
            if len(self._examples) == _EXAMPLES:
                return
            self._examples[_cut(written(value))] = None


class _Distinct:
    """Counts different hashes: exactly while there are few, then from the smallest alone. Where n hashes are spread
    evenly over [0, 1), the k-th smallest lies near k/n, with a relative error of about 1/√k: the k-minimum-values
    sketch of Bar-Yossef, Jayram, Kumar, Sivakumar and Trevisan, "Counting Distinct Elements in a Data Stream" (2002).
    """

    def __init__(self, exact: int) -> None:
        self.exact = True
        self._limit = exact
        self._known: set[bytes] = set()
        self._bound = b""

    def add(self, hashes: Iterable[bytes]) -> None:
        if self.exact:
            self._known.update(hashes)
        else:
            bound = self._bound
            self._known.update([value for value in hashes if value < bound])
        if len(self._known) > self._limit:
            self._shrink()

    def count(self) -> int:
        if self.exact:
            return len(self._known)
        last = sorted(self._known)[_SKETCH - 1]
        return round((_SKETCH - 1) * 2**64 / int.from_bytes(last, "big"))

    def _shrink(self) -> None:
        self.exact = False
        # Cut back only when it has doubled: sorting on every page would cost more than the memory is worth.
        self._limit = 2 * _SKETCH
        smallest = sorted(self._known)[:_SKETCH]
        self._known = set(smallest)
        self._bound = smallest[-1]


def _row_hashes(rows: Iterable[list[Any]]) -> list[int]:
    dumps, keys = orjson.dumps, orjson.OPT_SORT_KEYS
    hashes = [blake2b(dumps(row, option=keys), digest_size=8).digest() for row in rows]
    return list(unpack(f">{len(hashes)}q", b"".join(hashes)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_EXAMPLE else f"{text[: _LONGEST_EXAMPLE - 1]}…"
