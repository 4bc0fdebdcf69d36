"""The entry: finds the command, and turns every error into one sentence and an exit code."""

import importlib
import os
import sys

import click

from rowmill.cli.remedies import REMEDIES
from rowmill.core.errors import RowmillError

COMMANDS = {
    "demo": "rowmill.cli.demo.command:demo",
    "run": "rowmill.cli.run:run",
    "import": "rowmill.cli.imports:import_",
    "export": "rowmill.cli.export:export",
    "jobs": "rowmill.cli.jobs:jobs",
    "datasets": "rowmill.cli.jobs:datasets",
    "show": "rowmill.cli.show:show",
    "watch": "rowmill.cli.watch:watch",
    "rows": "rowmill.cli.rows:rows",
    "pause": "rowmill.cli.control:pause",
    "resume": "rowmill.cli.control:resume",
    "cancel": "rowmill.cli.control:cancel",
    "retry": "rowmill.cli.control:retry",
    "dismiss": "rowmill.cli.control:dismiss",
    "delete": "rowmill.cli.retention:delete",
    "prune": "rowmill.cli.retention:prune",
    "serve": "rowmill.cli.serve:serve",
    "worker": "rowmill.cli.worker:worker",
    "workers": "rowmill.cli.worker:workers",
    "connections": "rowmill.cli.connections:connections",
    "tokens": "rowmill.cli.tokens:tokens",
    "limits": "rowmill.cli.limits:limits",
    "usage": "rowmill.cli.usage:usage",
    "doctor": "rowmill.cli.doctor:doctor",
}

HELP = {
    "demo": "Run a real enrichment of bundled reviews on the embedded model.",
    "run": "Send every row of a table through a model or a function.",
    "import": "Take a file into a dataset.",
    "export": "Write a dataset, or a job's rows, to a file.",
    "jobs": "List jobs.",
    "datasets": "List datasets.",
    "show": "Show one job, or a dataset and what its columns hold.",
    "watch": "Follow a job until it stops.",
    "rows": "Show a job's rows or a dataset's records, or one with its history.",
    "pause": "Pause a job; rows in flight are finished and saved.",
    "resume": "Go on with a paused, failed or interrupted job, here.",
    "cancel": "Stop a job for good; what is done is kept.",
    "retry": "Run a job's failed rows again, here.",
    "dismiss": "Say that a job's failed rows need no attention.",
    "delete": "Remove a job with its results, or a dataset.",
    "prune": "Remove old jobs and give their space back.",
    "serve": "Serve the HTTP API, with a worker beside it.",
    "worker": "Work jobs without serving the API.",
    "workers": "List workers and the jobs that they hold.",
    "connections": "Keep provider addresses, keys and limits under names.",
    "tokens": "Make, list and take back tokens for the API.",
    "limits": "Show or set what a month's enrichments may use.",
    "usage": "Show what a month's enrichments have used.",
    "doctor": "Check this installation and the store.",
}


class Commands(click.Group):
    """Loads only the command that is called: the others' imports would make every start slow."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(HELP.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rowmill", message="rowmill %(version)s")
def rowmill() -> None:
    """Rowmill runs batch jobs over tables: every row goes through a model or a function, durably and in parallel.

    Work is kept in ROWMILL_HOME (default ~/.rowmill). JOB is a job's id, a unique prefix of it, or last: the
    newest, but completed exports.

    Exit codes: 0 done, 1 internal error, 2 wrong usage or input, 3 job failed, 4 completed with failed rows,
    5 paused or cancelled before the end, 130 Ctrl-C.
    """


def main() -> None:
    """Runs the command line and exits."""
    sys.exit(_run())


def _run() -> int:
    try:
        code = rowmill.main(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort
        return _say(error)
    return code if isinstance(code, int) else 0


def _say(error: Exception) -> int:
    """Says on stderr what happened; returns the exit code."""
    match error:
        case click.exceptions.Abort():
            return 130
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return error.exit_code
        case click.ClickException():
            sentence, code = _sentence(error), error.exit_code
        case OSError():
            what = error.filename or "An output"
            sentence, code = f"{what} cannot be read or written: {error.strerror or error}. Check it and try again.", 2
        case RowmillError():
            sentence, code = str(error.advise(REMEDIES)), error.exit_code
        case _:
            if os.environ.get("ROWMILL_DEBUG"):
                raise error
            what = f"{type(error).__name__}: {error}"
            sentence, code = f"internal error: {what}. Please report it; ROWMILL_DEBUG=1 shows where.", 1
    click.echo(f"rowmill: {sentence}", err=True)
    return code


def _sentence(error: click.ClickException) -> str:
    """What click found wrong, on one line, with the help that tells more."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "rowmill"
    return f"{' '.join(error.format_message().split())} See `{path} --help`."
