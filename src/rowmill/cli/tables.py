"""Tables on a terminal."""

from rich.table import Table


def table(*headings: str) -> Table:
    """An empty table whose cells are cut where the terminal ends."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, no_wrap=True, overflow="ellipsis")
    return made
