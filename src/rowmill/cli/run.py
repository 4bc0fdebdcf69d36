"""``rowmill run``: an enrichment job from a file, worked here."""

import signal
from dataclasses import replace
from decimal import Decimal
from typing import Any

import click

from rowmill.cli.common import json_option, on_terminal, print_json, the_store
from rowmill.cli.foreground import allowance, redirect_stdout_to_stderr
from rowmill.cli.specs import import_spec, run_spec
from rowmill.cli.submitted import requeue
from rowmill.core.errors import NothingToDo, UsageError
from rowmill.jobs.spec import DatasetSource, JobSource, JobSpec, NamedSource
from rowmill.jobs.submit.detach import check_detachable
from rowmill.jobs.submit.steps import build_steps
from rowmill.jobs.submit.submit import submit
from rowmill.ledger.store import Store


class Positive(click.ParamType[Decimal, Decimal]):
    """A number of dollars or seconds above zero."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            number = Decimal(str(value))
        except ArithmeticError:
            number = Decimal(-1)
        if not number.is_finite() or number <= 0:
            self.fail(f"{value!r} is not a number above zero.", param, ctx)
        return number


_COUNT = click.IntRange(min=1)


@click.command()
@click.argument("input_", metavar="INPUT", required=False)
@click.option("--prompt", metavar="TEXT|@FILE", help="The prompt for each row; {{Column}} is replaced by its value.")
@click.option("--system", metavar="TEXT|@FILE", help="The system message.")
@click.option(
    "-c", "--column", "columns", metavar="'NAME[: TYPE]'", multiple=True,
    help="An output column: text, integer, number, boolean, list, or labels such as 'mood: good | bad'. Repeatable.",
)  # fmt: skip
@click.option(
    "--model", envvar="ROWMILL_MODEL", metavar="PROVIDER/MODEL", help="The model to use; default: ROWMILL_MODEL."
)
@click.option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint, including /v1.")
@click.option("--api-key-env", metavar="NAME", help="The environment variable that holds the API key.")
@click.option("--connection", metavar="NAME", help="Use a saved connection (see rowmill connections) instead.")
@click.option(
    "--setting",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="A model setting, such as temperature=0. Repeatable.",
)
@click.option(
    "--processor", metavar="MODULE:FUNCTION", help="Call a Python function with each row as a dict, instead of a model."
)
@click.option("-o", "--output", metavar="FILE", help="The file to write when the job has completed; - is stdout.")
@click.option("--format", "output_format", metavar="FORMAT", help="The output format; default: from the file suffix.")
@click.option("--input-format", metavar="FORMAT", help="The input format; default: from the file suffix.")
@click.option(
    "--url", metavar="URL", help="Send one HTTP request per row instead of calling a model; may contain {{Column}}."
)
@click.option("--method", metavar="METHOD", help="The HTTP method; default: GET, or POST with --body.")
@click.option("--header", "headers", metavar="'NAME: VALUE'", multiple=True,
              help="A request header; ${NAME} is replaced by that environment variable. Repeatable.")  # fmt: skip
@click.option("--body", metavar="TEXT|@FILE", help="The request body.")
@click.option("--path", "paths", metavar="COLUMN=$.a.b", multiple=True,
              help="Where in the response to find a column's value (JSONPath). Repeatable.")  # fmt: skip
@click.option("--allow-private", is_flag=True, help="Allow --url to reach private addresses and this machine.")
@click.option("--rows", metavar="1-100", help="Process only these rows.")
@click.option("--where", metavar="EXPR", help="Process only records of a dataset that match, such as 'price > 10'.")
@click.option(
    "--keys", metavar="KEY,…|@FILE", help="Process only records of a dataset with these keys; @FILE lists one per line."
)
@click.option(
    "--key",
    metavar="COLUMN",
    help="First import the file into a dataset of the same name, updating records by this key.",
)
@click.option("--from", "from_job", metavar="JOB", help="Process the rows that another job left (with --only).")
@click.option(
    "--only", type=click.Choice(["new", "changed", "all", "failed", "unprocessed"]),
    help="Records of a dataset without a result yet (new), or also those whose values have changed since (changed); "
    "with --from failed or unprocessed rows.",
)  # fmt: skip
@click.option("--concurrency", type=_COUNT, metavar="N", help="Rows in flight at a time; default: 5.")
@click.option("--rpm", type=_COUNT, metavar="N", help="Limit of calls per minute, shared by all processes.")
@click.option("--tpm", type=_COUNT, metavar="N", help="Limit of tokens per minute, shared by all processes.")
@click.option("--max-attempts", type=_COUNT, metavar="N", help="Attempts per row; default: 3.")
@click.option("--timeout", type=Positive(), metavar="SECONDS", help="Timeout of one call; default: 60.")
@click.option("--budget", type=Positive(), metavar="USD", help="Pause the job before it costs more than this.")
@click.option(
    "--price", metavar="IN,OUT", help="Dollars per million input and output tokens, if the model's price is not known."
)
@click.option(
    "--max-failed",
    metavar="1%|N",
    default="0",
    show_default=True,
    help="Exit with 0 if no more rows than this fail (a number or a percentage).",
)
@click.option("--name", metavar="NAME", help="The job's name; default: the name of the input.")
@click.option("--detach", is_flag=True, help="Leave the job to a worker (rowmill serve).")
@click.option("--new", is_flag=True, help="Start a new job even if the same run already exists.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output file, and columns with the same name.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation (without a terminal, nothing is ever asked).")
@json_option
def run(
    *, key: str | None, max_failed: str, detach: bool, overwrite: bool, as_json: bool, yes: bool, **options: Any
) -> int:
    """Send every row of INPUT through a model, a function or an HTTP API.

    INPUT is a file (CSV, TSV, JSON Lines, Parquet, Excel), a URL, - for stdin, or the name of a dataset.

    The same command again goes on where it stopped, and writes the output again for free when all is done.
    """
    spec = run_spec(detach=detach, overwrite=overwrite, **_without_default_model(options))
    allowance(max_failed, 0)
    if detach and options["output"] == "-":
        raise UsageError("A job that is left to another process cannot write to this one's stdout.", "Give a file.")
    with the_store() as store:
        engine = store.join()
        try:
            if detach or key is not None:
                _check_first(store, spec, detach=detach)
            if key is not None:
                spec, code = _imported(store, engine, spec, key)
                if code not in (0, 4):
                    return code
            with redirect_stdout_to_stderr(), _Reading() as reading:
                submission = submit(store, engine, spec, reading)
            return requeue(store, engine, submission, max_failed, detach=detach, as_json=as_json, overwrite=overwrite)
        except NothingToDo:
            if as_json:
                print_json(None)
            raise
        finally:
            store.leave(engine)


def _without_default_model(options: dict[str, Any]) -> dict[str, Any]:
    """ROWMILL_MODEL may be set for good; it means nothing to a function or an HTTP API."""
    source = click.get_current_context().get_parameter_source("model")
    if (options["processor"] or options["url"]) and source is click.core.ParameterSource.ENVIRONMENT:
        return {**options, "model": None}
    return options


def _check_first(store: Store, spec: JobSpec, *, detach: bool) -> None:
    """Raises ``UsageError`` if the steps cannot work here, before a file is imported for them; with ``detach``, also if
    they need what exists only in this shell."""
    with redirect_stdout_to_stderr():
        steps = build_steps(store, spec)
    if detach:
        if isinstance(spec.source, JobSource) and not steps:
            steps = store.browse.find_job(spec.source.name).steps
        for step in steps:
            check_detachable(step)


def _imported(store: Store, engine: str, spec: JobSpec, key: str) -> tuple[JobSpec, int]:
    """Takes the input into a dataset of its name; returns the spec for that, and the import's exit code."""
    if not isinstance(spec.source, NamedSource) or store.datasets.named(spec.source.name):
        raise UsageError("--key takes a file into a dataset.", "Give a file as INPUT, or leave --key out.")
    if spec.source.name == "-":
        hint = "Import it first: rowmill import - --dataset NAME --key COLUMN"
        raise UsageError("Standard input has no name for the dataset that --key makes.", hint)
    submission = submit(store, engine, import_spec(spec.source.name, format_=spec.source.format, key=key))
    code = requeue(store, engine, submission)
    return replace(spec, source=DatasetSource(submission.job.dataset_id)), code


class _Reading:
    """Says on a terminal how far reading a large input is, and lets Ctrl-C interrupt it between two batches only: an
    interrupt in the middle of a transaction could leave its lock behind."""

    _EVERY = 100_000

    def __init__(self) -> None:
        self._terminal = on_terminal()
        self._shown = False
        self._storing = False
        self._interrupted = False

    def __enter__(self) -> "_Reading":
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *exc: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        if self._shown:
            click.echo("\r\033[K", err=True, nl=False)
        if self._interrupted and exc[0] is None:
            raise KeyboardInterrupt

    def __call__(self, rows: int) -> None:
        self._storing = True
        if self._interrupted:
            raise KeyboardInterrupt
        if self._terminal and rows and rows % self._EVERY == 0:
            click.echo(f"\r\033[KReading: {rows:,} rows", err=True, nl=False)
            self._shown = True

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True
        if not self._storing:
            raise KeyboardInterrupt
