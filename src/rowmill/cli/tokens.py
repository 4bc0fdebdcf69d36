"""``rowmill tokens``: who may use the API."""

import click

from rowmill.cli.common import json_option, print_json, the_store
from rowmill.cli.tables import print_table
from rowmill.core.access import Access
from rowmill.core.timestamps import moment
from rowmill.tokens import service


@click.group()
def tokens() -> None:
    """Create, list and revoke the tokens for the HTTP API."""


@tokens.command()
@click.argument("name")
@click.option(
    "--scope", type=click.Choice([scope.value for scope in Access]), required=True,
    help="What the token allows: look (read), work with jobs and data (run), or manage the server (admin).",
)  # fmt: skip
@json_option
def create(name: str, scope: str, *, as_json: bool) -> None:
    """Create a token and print it. It is shown only once; only its hash is stored."""
    with the_store() as store:
        token, clear = service.create(store, name, Access(scope))
    if as_json:
        print_json(service.new_token_view(token, clear))
    else:
        click.echo(f"{token.id} may {scope}. It is shown this once:", err=True)
        click.echo(clear)


@tokens.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List tokens and when they were last used."""
    with the_store() as store:
        found = service.every(store)
    if as_json:
        print_json([service.token_view(token) for token in found])
    elif not found:
        click.echo("There are no tokens. Make one with `rowmill tokens create NAME --scope run`.", err=True)
    else:
        lines = [
            (each.id, each.name, each.scope.value, moment(each.created_at), moment(each.used_at) or "never")
            for each in found
        ]
        print_table(["id", "name", "scope", "created", "used"], lines, text=[1])


@tokens.command()
@click.argument("name", metavar="TOKEN")
@json_option
def revoke(name: str, *, as_json: bool) -> None:
    """Revoke TOKEN immediately. Give its id, a unique prefix of its id, or its name."""
    with the_store() as store:
        token = service.revoke(store, name)
    if as_json:
        print_json(service.token_view(token))
    else:
        click.echo(f"{token.id} ({token.name}) is valid no more.")
