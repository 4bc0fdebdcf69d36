"""Which text a spreadsheet would take for a formula."""

import re

_STARTS = frozenset("=+-@\t\r")
_PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def looks_like_formula(value: object) -> bool:
    """Whether it is text that begins with ``= + - @``, a tab or a carriage return, and no plain number such as ``-5``
    or ``+1e3``."""
    return type(value) is str and value[:1] in _STARTS and not _PLAIN_NUMBER.fullmatch(value)
