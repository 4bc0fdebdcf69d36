"""``rowmill connections``: how model providers are reached, by name."""

import sys
from typing import Any

import click

from rowmill.cli.common import json_option, print_json, the_store
from rowmill.cli.tables import print_table
from rowmill.connections import service
from rowmill.connections.check import check_connection
from rowmill.connections.store import Connection, Connections
from rowmill.core.errors import UsageError
from rowmill.core.timestamps import moment
from rowmill.ledger.store import Store
from rowmill.shapes.connections import Verdict

_LIMIT = click.IntRange(min=0)


@click.group()
def connections() -> None:
    """Save provider addresses, API keys and limits under names that jobs can use.

    A key is typed at a prompt that shows nothing, or read from stdin where that is no terminal. It is kept encrypted
    and never shown again.
    """


@connections.command()
@click.argument("name")
@click.option("--provider", metavar="NAME", help="The provider; default: openai.")
@click.option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint, including /v1.")
@click.option("--rpm", type=_LIMIT, metavar="N", help="Limit of calls per minute, shared by all jobs; 0 removes it.")
@click.option("--tpm", type=_LIMIT, metavar="N", help="Limit of tokens per minute, shared by all jobs; 0 removes it.")
@click.option("--no-key", is_flag=True, help="The provider needs no API key: do not ask for one or read it from stdin.")
@click.option(
    "--replace", is_flag=True, help="Change the existing connection; options that are not given keep their values."
)
@json_option
def add(
    name: str,
    provider: str | None,
    base_url: str | None,
    rpm: int | None,
    tpm: int | None,
    *,
    no_key: bool,
    replace: bool,
    as_json: bool,
) -> None:
    """Create the connection NAME, or change it with --replace."""
    limits = {limit: number or None for limit, number in (("rpm", rpm), ("tpm", tpm)) if number is not None}
    given = limits if base_url is None else {**limits, "base_url": base_url}
    with the_store() as store:
        if replace and Connections(store.database).named(name):
            made = _changed(store, name, provider, given, no_key=no_key)
        else:
            service.check_new(store, name, provider or "openai")
            key = None if no_key else _key("API key (empty for none)")
            made = service.add(store, name, provider or "openai", key=key, **given)
    if as_json:
        print_json(service.connection_view(made))
    else:
        click.echo(f"The connection {name} is kept. Try it: rowmill connections test {name}")


@connections.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List connections, without their keys."""
    with the_store() as store:
        found = service.every(store)
    if as_json:
        print_json([service.connection_view(each) for each in found])
    elif not found:
        click.echo("There are no connections. Make one with `rowmill connections add NAME`.", err=True)
    else:
        lines = []
        for each in found:
            limits = ["" if limit is None else f"{limit:,}" for limit in (each.rpm, each.tpm)]
            key = "yes" if each.secret else "no"
            lines.append([each.name, each.provider, each.base_url or "", key, *limits, moment(each.created_at)])
        print_table(["name", "provider", "base url", "key", "rpm", "tpm", "created"], lines, text=[2])


@connections.command()
@click.argument("name")
@click.option(
    "--model",
    metavar="MODEL",
    help="Request one token from this model; many providers report missing credit only then.",
)
@json_option
def test(name: str, model: str | None, *, as_json: bool) -> int:
    """Test the connection NAME now; exits with 3 if it does not work."""
    with the_store() as store:
        checked = check_connection(store, name, model)
    if as_json:
        print_json(checked)
    else:
        click.echo(f"{checked.outcome}: {checked.message}")
    return 0 if checked.outcome is Verdict.VALID else 3


@connections.command()
@click.argument("name")
@json_option
def remove(name: str, *, as_json: bool) -> None:
    """Remove the connection NAME and its key, unless an unfinished job uses it."""
    with the_store() as store:
        there = service.get(store, name)
        service.remove(store, name)
    if as_json:
        print_json(service.connection_view(there))
    else:
        click.echo(f"The connection {name} is removed.")


def _changed(store: Store, name: str, provider: str | None, given: dict[str, Any], *, no_key: bool) -> Connection:
    there = service.get(store, name)
    if provider not in (None, there.provider):
        raise UsageError(f"{name} reaches models of {there.provider}.", "Remove it first, or take another name.")
    empty = "keeps the one there" if there.secret else "for none"
    key = None if no_key else _key(f"API key (empty {empty})")
    if no_key or key:
        given["key"] = key
    return service.update(store, name, given, there.revision)


def _key(words: str) -> str:
    """A key as it is typed, unseen, or comes from stdin."""
    if sys.stdin.isatty():
        return str(click.prompt(words, default="", hide_input=True, show_default=False, err=True))
    return sys.stdin.read(service.LONGEST + 1).strip()
