"""``rowmill worker`` runs jobs without a server; ``rowmill workers`` lists the workers."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from rowmill.cli.common import json_option, print_json, the_store
from rowmill.cli.tables import print_table
from rowmill.core.errors import UsageError
from rowmill.core.timestamps import moment
from rowmill.worker.listing import worker_view

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--jobs", type=click.IntRange(1, 100), default=4, show_default=True, help="Jobs to run at a time."),
    click.option("--grace", type=click.FloatRange(0, 3600), default=10.0, show_default=True, metavar="SECONDS",
                 help="Time that rows in flight get to finish at the end."),
    click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True,
                 help="Format of the log lines on stderr."),
    click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info",
                 show_default=True, help="Lowest level to log."),
)  # fmt: skip


def worker_options(command: Command) -> Command:
    """Adds the options of a worker: ``jobs``, ``grace``, ``log_format`` and ``log_level``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def serve_extra() -> Iterator[None]:
    """Raises ``UsageError`` where the block imports a package of the extra ``rowmill[serve]`` that is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("rowmill"):
            raise
        raise UsageError(f"{error.name} is not installed.", "Install it with: pip install 'rowmill[serve]'") from error


@click.command()
@worker_options
@click.option("--server-socket", type=int, hidden=True, help="File descriptor of the socket shared with a server.")
def worker(*, jobs: int, grace: float, log_format: str, log_level: str, server_socket: int | None) -> int:
    """Run jobs without serving the API, until Ctrl-C or SIGTERM.

    Any number of workers can share a store.
    """
    with serve_extra():
        from rowmill.worker.logs import configure  # noqa: PLC0415 - an extra
        from rowmill.worker.main import WorkerOptions, run_worker  # noqa: PLC0415 - likewise
    configure(log_format, log_level)
    server = None if server_socket is None else socket.socket(fileno=server_socket)
    return run_worker(WorkerOptions(jobs, grace, log_format, log_level), server)


@click.command()
@json_option
def workers(*, as_json: bool) -> None:
    """List workers and the jobs that they run.

    Commands that run a job in the foreground are listed too.
    """

    with the_store() as store:
        found = store.browse.engines()
    if as_json:
        print_json([worker_view(each) for each in found])
    elif not found:
        click.echo("There are no workers. Start one with `rowmill serve` or `rowmill worker`.", err=True)
    else:
        rows = [
            (each.id, str(each.pid), "yes" if each.alive else "no", moment(each.joined_at), " ".join(each.jobs))
            for each in found
        ]
        print_table(["id", "pid", "alive", "since", "jobs"], rows)
