"""Tables on standard output."""

import shutil
import sys
from collections.abc import Collection, Sequence
from math import inf

import click
from rich.cells import cell_len, set_cell_size

_GAP = "  "
_SHORTEST = 16
_LONGEST = 60


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[str | None]], *, text: Collection[int] = (), full: bool = False
) -> None:
    """Prints ``rows`` below ``headings``.

    Cells of the columns at the positions ``text`` may be shortened: to 60 characters, and further where a terminal is
    too narrow. All others (ids, keys, numbers) are printed whole. Columns that still do not fit are left out, and named
    below the table. ``full`` shortens and leaves out nothing.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() and not full else inf
    lines, hidden = format_table([headings, *rows], text=() if full else text, width=width)
    for number, line in enumerate(lines):
        click.secho(line, bold=number == 0 or None)
    if hidden:
        print_note(f"No room for: {', '.join(hidden)}. Use a wider terminal, or --json.")


def format_table(
    rows: Sequence[Sequence[str | None]], *, text: Collection[int], width: float
) -> tuple[list[str], list[str]]:
    """The lines of a table at most ``width`` columns wide, and the headings (first cells) of the columns left out."""
    cells = [[" ".join((cell or "").split()) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    widths = _fit([min(size, _LONGEST) if place in text else size for place, size in enumerate(widths)], text, width)
    lines = [_GAP.join(map(_sized, row, widths)).rstrip() for row in cells]
    return lines, cells[0][len(widths) :]


def print_note(sentence: str) -> None:
    """Says something about the table above, on standard error and apart from it."""
    click.echo(f"\n{sentence}", err=True)


def _fit(widths: list[int], text: Collection[int], room: float) -> list[int]:
    """The widths of as many columns as have room, text being shortened for the others, but not below 16 characters."""
    least = [min(width, _SHORTEST) if place in text else width for place, width in enumerate(widths)]
    count = len(least)
    while count > 1 and sum(least[:count]) + len(_GAP) * (count - 1) > room:
        count -= 1
    spare = room - sum(least[:count]) - len(_GAP) * (count - 1)
    fitted = []
    for width, smallest in zip(widths[:count], least, strict=False):
        more = min(width - smallest, max(spare, 0))
        spare -= more
        fitted.append(int(smallest + more))
    return fitted


def _sized(cell: str, width: int) -> str:
    return set_cell_size(cell, width) if cell_len(cell) <= width else f"{set_cell_size(cell, width - 1)}…"
