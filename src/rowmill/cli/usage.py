"""``rowmill usage``: what was used."""

from collections.abc import Iterator

import click

from rowmill.cli.common import json_option, print_json, the_store
from rowmill.cli.tables import print_table
from rowmill.core.money import dollars
from rowmill.core.usage import Used
from rowmill.ledger.store import Store
from rowmill.ledger.usage import By
from rowmill.usage.report import BY, days_of, usage_view

_PAGE = 1000


@click.command()
@click.option("--month", metavar="MONTH", help="The month, such as 2026-11; default: the current one.")
@click.option("--by", type=click.Choice(BY), default="day", show_default=True, help="How to group the figures.")
@json_option
def usage(month: str | None, by: By, *, as_json: bool) -> None:
    """Show what enrichments have used in a calendar month (UTC): rows, calls, tokens, money."""
    with the_store() as store:
        first, last = days_of(store, month)
        total = store.usage.total(first, last)
        found = list(_every(store, first, last, by))
    if as_json:
        print_json([usage_view(by, key, used) for key, used in found])
    elif not found:
        click.echo("Nothing was used.", err=True)
    else:
        lines = []
        for key, used in [*found, ("total", total)]:
            counts = (used.rows, used.attempts, used.tokens_in, used.tokens_out)
            lines.append([key, *(f"{count:,}" for count in counts), f"${dollars(used.cost):,.4f}"])
        print_table([by, "rows", "calls", "tokens in", "tokens out", "cost"], lines)


def _every(store: Store, first: str, last: str, by: By) -> Iterator[tuple[str, Used]]:
    after = ""
    while page := store.usage.between(first, last, by, after, _PAGE):
        yield from page
        after = page[-1][0]
