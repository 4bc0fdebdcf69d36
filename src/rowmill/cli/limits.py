"""``rowmill limits``: what may be used in a month."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from rowmill.cli.common import json_option, print_json, the_store
from rowmill.usage.limits import Keep, limits_view, set_limits


def _or_none(number: type[int] | type[Decimal]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Reads a number, or ``none`` for no limit; what is not given is kept."""

    def read(ctx: click.Context, param: click.Parameter, text: str | None) -> int | Decimal | Keep | None:
        if text is None:
            return Keep.KEEP
        if text.strip().lower() == "none":
            return None
        try:
            return number(text.replace(",", "").replace("_", ""))
        except (ValueError, InvalidOperation):
            raise click.BadParameter(f"{text!r} is neither a number nor none.", ctx, param) from None

    return read


@click.command()
@click.option(
    "--rows-per-month", metavar="N|none", callback=_or_none(int), help="Rows that may be processed per month."
)
@click.option(
    "--usd-per-month", metavar="X|none", callback=_or_none(Decimal), help="Dollars that may be spent per month."
)
@json_option
def limits(rows_per_month: int | Keep | None, usd_per_month: Decimal | Keep | None, *, as_json: bool) -> None:
    """Show or set how much all enrichments together may use per calendar month (UTC).

    A job that comes to a limit pauses with usage_limit. One that a worker runs goes on by itself once there is room.
    """
    with the_store() as store:
        if not (rows_per_month is Keep.KEEP and usd_per_month is Keep.KEEP):
            set_limits(store, rows_per_month=rows_per_month, usd_per_month=usd_per_month)
        view = limits_view(store)
    if as_json:
        print_json(view)
        return
    rows, usd = view.rows_per_month, view.usd_per_month
    of_rows = "no limit" if rows is None else f"of {rows:,}"
    of_usd = "no limit" if usd is None else f"of ${usd:,.2f}"
    click.echo(f"rows in {view.month}: {view.rows_used:,} ({of_rows})")
    click.echo(f"cost in {view.month}: ${view.usd_used:,.4f} ({of_usd})")
