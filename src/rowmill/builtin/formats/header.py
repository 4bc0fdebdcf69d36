"""The column names that a header row stands for."""

from collections.abc import Sequence

from rowmill.core.errors import InputError


def name_columns(header: Sequence[str], name: str) -> list[str]:
    """The names without the blanks around them; a column without one is called ``column_N`` after its position. Raises
    ``InputError`` where two are called the same; ``name`` is what messages call the file."""
    columns = [cell.strip() for cell in header]
    check_different(columns, name, unnamed="")
    for index, column in enumerate(columns):
        columns[index] = column or _free_name(f"column_{index + 1}", columns)
    return columns


def check_different(columns: Sequence[str], name: str, unnamed: str | None = None) -> None:
    """Raises ``InputError`` where two columns are called the same and not ``unnamed``."""
    firsts: dict[str, int] = {}
    for position, column in enumerate(columns, 1):
        first = firsts.setdefault(column, position)
        if first < position and column != unnamed:
            raise InputError(
                f'{name} has two columns called "{column}", the {_ordinal(first)} and the {_ordinal(position)}.',
                "Rename one of them.",
            )


def _free_name(wanted: str, taken: list[str]) -> str:
    while wanted in taken:
        wanted += "_"
    return wanted


def _ordinal(number: int) -> str:
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
