"""Prompts with ``{{Column}}`` variables."""

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from rowmill.core.errors import UsageError
from rowmill.core.suggest import did_you_mean, listing


class Template:
    """A text whose ``{{Column}}`` variables are filled from a row. Spaces inside the braces do not count; a column's
    name may hold anything but braces. Raises ``UsageError`` for braces that do not close or hold no name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._pieces = _pieces(text)
        self._names = self._pieces[1::2]
        self.variables: tuple[str, ...] = tuple(dict.fromkeys(self._names))

    def render(self, values: Mapping[str, Any]) -> str:
        """The text for one row: strings as they are, ``None`` and missing values as nothing, others as JSON."""
        pieces = self._pieces.copy()
        get = values.get
        pieces[1::2] = [value if type(value := get(name)) is str else written(value) for name in self._names]
        return "".join(pieces)

    def check(self, columns: Collection[str]) -> None:
        """Raises ``UsageError`` for the first variable that is no column."""
        for name in self.variables:
            if name not in columns:
                hint = f"{did_you_mean(name, columns)} The columns are: {listing(columns)}.".strip()
                raise UsageError(f"The prompt names {{{{{name}}}}}, but there is no such column.", hint)


def _pieces(text: str) -> list[str]:
    """Literal text at the even places, variable names at the odd ones."""
    pieces = []
    end = 0
    while (start := text.find("{{", end)) >= 0:
        close = text.find("}}", start + 2)
        if close < 0:
            where = f"'{text[start : start + 30]}', line {text.count(chr(10), 0, start) + 1}"
            raise UsageError(f"The prompt opens {{{{ without closing it ({where}).", "Write {{Column}}.")
        pieces += [text[end:start], _name(text[start + 2 : close])]
        end = close + 2
    return [*pieces, text[end:]]


def _name(inside: str) -> str:
    name = inside.strip()
    if not name or "{" in name or "}" in name:
        raise UsageError(f"The prompt holds '{{{{{inside}}}}}', which names no column.", "Write {{Column}}.")
    return name


def written(value: object) -> str:
    """A value as people read it: strings as they are, ``None`` as nothing, others as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
