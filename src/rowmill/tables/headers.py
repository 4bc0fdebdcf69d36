"""Which column of a dataset a name in a file's header means: case, blanks and punctuation do not count."""

import unicodedata
from collections.abc import Iterable, Sequence

from rowmill.core.errors import UsageError
from rowmill.core.suggest import did_you_mean, listing


def normal(name: str) -> str:
    """The letters (with their accents) and digits of ``name`` without case: equal for ``Product Type``,
    ``product_type`` and ``productType``. A name that has none of them, such as ``#``, stands for itself."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    # Marks are parts of letters where no single character holds both, as in most scripts of India.
    kept = [char for char in folded if char.isalnum() or unicodedata.category(char).startswith("M")]
    return "".join(kept) or folded.strip()


def match_headers(header: Sequence[str], known: Sequence[str]) -> list[str]:
    """For each name of ``header`` the known column that it means, or the name itself where it means none.

    A name means the column that is spelled the same; else the one with the same normal form. That second way is not
    taken, and the name stays, where it would be a guess: several known columns share that normal form, or another name
    of the header is spelled just like the column (of ``Price`` and ``PRICE`` in one file, both are kept apart). Raises
    ``UsageError`` where two names mean the same known column.
    """
    exact = set(known).intersection(header)
    near = {form: column for form, column in _by_normal_form(known).items() if column not in exact}
    taken: dict[str, str] = {}
    for name in header:
        column = name if name in exact else near.get(normal(name))
        if column is None:
            continue
        if column in taken:
            message = f"{taken[column]!r} and {name!r} both mean the column {column!r}."
            raise UsageError(message, "Keep one of them, or rename the other.")
        taken[column] = name
    meant = {name: column for column, name in taken.items()}
    return [meant.get(name, name) for name in header]


def check_present(needed: Iterable[str], header: Sequence[str], where: str) -> None:
    """Raises ``UsageError`` for the first needed column that is not in ``header``, which ``match_headers`` gave;
    ``where`` is what messages call the table. Only names that no needed column has taken are suggested."""
    needed = list(needed)
    for name in needed:
        if name not in header:
            free = [each for each in header if each not in needed]
            hint = f"{did_you_mean(name, free)} The columns are: {listing(header)}.".strip()
            raise UsageError(f"{where} has no column {name!r}.", hint)


def _by_normal_form(known: Iterable[str]) -> dict[str, str]:
    """The known column of each normal form that only one of them has."""
    columns: dict[str, str] = {}
    shared = set()
    for name in dict.fromkeys(known):
        if columns.setdefault(normal(name), name) != name:
            shared.add(normal(name))
    return {form: name for form, name in columns.items() if form not in shared}
