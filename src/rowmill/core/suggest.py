"""What a message offers to someone who mistyped a name."""

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 20


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"Did you mean 'x'?"`` for the nearest of the known names, or ``""`` where none is near."""
    by_folded = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), by_folded, n=1)
    return f"Did you mean {by_folded[near[0]]!r}?" if near else ""


def listing(names: Iterable[str]) -> str:
    """``"'a', 'b' and 3 more"``: the names in their order, cut short where there are many."""
    quoted = [repr(name) for name in names]
    if len(quoted) <= _LISTED:
        return ", ".join(quoted) or "none"
    return f"{', '.join(quoted[:_LISTED])} and {len(quoted) - _LISTED} more"
