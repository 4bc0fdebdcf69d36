"""``rowmill run``: an enrichment job from a file, worked here."""

import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import orjson

from rowmill.cli.common import json_option, on_terminal, print_job, the_store
from rowmill.cli.foreground import allowance, finished, results_apart, work
from rowmill.cli.words import rows_word, state
from rowmill.engine.supervisor import processor_of
from rowmill.model.errors import Busy, InputError, UsageError
from rowmill.model.job import Job
from rowmill.model.status import JobStatus
from rowmill.service import control
from rowmill.service.detach import check_detachable
from rowmill.service.submit import RunRequest, Submission, step_of, submit
from rowmill.store.store import Store


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
@click.option("--prompt", metavar="TEXT|@FILE", help="What to ask about each row; {{Column}} stands for its value.")
@click.option("--system", metavar="TEXT|@FILE", help="The system message.")
@click.option(
    "-c", "--column", "columns", metavar="'NAME[: TYPE]'", multiple=True,
    help="An output column: text, integer, number, boolean, list, or labels such as 'mood: good | bad'. Repeatable.",
)  # fmt: skip
@click.option("--model", envvar="ROWMILL_MODEL", metavar="PROVIDER/MODEL", help="Also from ROWMILL_MODEL.")
@click.option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint, up to and with /v1.")
@click.option("--api-key-env", metavar="NAME", help="The environment variable that holds the key.")
@click.option("--setting", "settings", metavar="NAME=VALUE", multiple=True, help="A model setting: temperature=0.")
@click.option("--processor", metavar="MODULE:FUNCTION", help="A Python function of a row's dict, instead of a model.")
@click.option("-o", "--output", metavar="FILE", help="Where the rows go when they are done; - is stdout.")
@click.option("--format", "output_format", metavar="FORMAT", help="The output's format, if its suffix does not say.")
@click.option("--input-format", metavar="FORMAT", help="The input's format, if its suffix does not say.")
@click.option("--rows", metavar="1-100", help="Only these rows.")
@click.option("--from", "from_job", metavar="JOB", help="Take the rows that another job left (with --only).")
@click.option("--only", type=click.Choice(["failed", "unprocessed"]), help="Which rows --from takes.")
@click.option("--concurrency", type=_COUNT, metavar="N", help="Rows in flight at a time; 5 unless told.")
@click.option("--rpm", type=_COUNT, metavar="N", help="At most so many calls a minute, over all processes.")
@click.option("--tpm", type=_COUNT, metavar="N", help="At most so many tokens a minute, over all processes.")
@click.option("--max-attempts", type=_COUNT, metavar="N", help="Tries per row; 3 unless told.")
@click.option("--timeout", type=Positive(), metavar="SECONDS", help="For one call; 60 unless told.")
@click.option("--budget", type=Positive(), metavar="USD", help="Pause before the job costs more.")
@click.option("--price", metavar="IN,OUT", help="Dollars per million tokens, where the price is not known.")
@click.option(
    "--max-failed", metavar="1%|N", default="0", show_default=True, help="Failed rows that still exit with 0."
)
@click.option("--name", metavar="NAME", help="What the job is called; the input's name unless told.")
@click.option("--detach", is_flag=True, help="Leave the job to another process (rowmill resume).")
@click.option("--new", is_flag=True, help="Start afresh even where the same run is there already.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output file and clashing columns in it.")
@click.option("--yes", is_flag=True, help="Ask nothing (nothing is asked without a terminal anyway).")
@json_option
def run(*, max_failed: str, detach: bool, as_json: bool, yes: bool, **options: Any) -> int:
    """Send every row of INPUT (CSV, TSV or JSON Lines; - is stdin) through a model or a function.

    The same command again goes on where it stopped, and writes the output again for free when all is done.
    """
    request = _request(**options)
    allowance(max_failed, 0)
    with the_store() as store:
        if request.from_job is None:
            # Whatever cannot work here is refused before a large input is read.
            with results_apart():
                processor_of(step_of(request))
        if detach:
            check_detachable(step_of(request))
        engine = store.join()
        try:
            with _Reading() as reading:
                submission = submit(store, engine, request, reading)
            if detach:
                print_job(store, submission.job, f"{submission.job.id} waits for: rowmill resume {submission.job.id}",
                          as_json=as_json)  # fmt: skip
                return 0
            return _go_on(store, engine, submission, max_failed, as_json=as_json, overwrite=request.overwrite)
        finally:
            store.leave(engine)


def _go_on(
    store: Store, engine: str, submission: Submission, max_failed: str, *, as_json: bool, overwrite: bool
) -> int:
    job = submission.job
    if submission.found:
        if job.status is JobStatus.RUNNING and not job.interrupted:
            assert job.owner is not None
            raise Busy(f"This run is being worked by process {job.owner.pid}.", f"Follow it: rowmill watch {job.id}")
        click.echo(_found(job), err=True)
        if job.status is JobStatus.COMPLETED:
            return finished(store, job, max_failed, as_json=as_json, overwrite=overwrite)
        job = control.resume(store, job)
    else:
        rows = rows_word(job.counts.total or 0)
        click.echo(f"{job.id}: {rows}, up to {job.settings.concurrency} at a time.", err=True)
    return work(store, engine, job, max_failed=max_failed, as_json=as_json, overwrite=overwrite)


def _found(job: Job) -> str:
    if job.status is JobStatus.COMPLETED:
        return f"{job.id} is this same run and completed; its results are used again (--new starts afresh)."
    left = rows_word(job.counts.unprocessed or 0)
    return f"{job.id} is this same run, {state(job)}; going on with the {left} left (--new starts afresh)."


def _request(*, input_: str | None, settings: tuple[str, ...], **options: Any) -> RunRequest:
    options["prompt"] = _text(options["prompt"], "--prompt")
    options["system"] = _text(options["system"], "--system")
    options["price"] = _price(options["price"])
    options["timeout"] = None if options["timeout"] is None else float(options["timeout"])
    for name in ("model", "from_job"):
        options[name] = options[name] or None
    if options["processor"]:
        # ROWMILL_MODEL may be set for good; it means nothing to a function.
        source = click.get_current_context().get_parameter_source("model")
        if source is click.core.ParameterSource.ENVIRONMENT:
            options["model"] = None
    return RunRequest(
        input=input_,
        model_settings=dict(_setting(text) for text in settings),
        processor_path=(str(Path.cwd()),),
        **options,
    )


def _text(text: str | None, option: str) -> str | None:
    """The option's text, or that of the file behind ``@``."""
    if text is None or not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{option} {text} cannot be read: {reason}.", "Check the path.") from error


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"The setting {text!r} is not NAME=VALUE.", "Write for example temperature=0.")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


def _price(text: str | None) -> tuple[Decimal, Decimal] | None:
    if text is None:
        return None
    try:
        price_in, price_out = (Decimal(part.strip()) for part in text.split(","))
    except (ValueError, ArithmeticError):
        price_in = price_out = Decimal(-1)
    if not (price_in.is_finite() and price_out.is_finite() and price_in >= 0 and price_out >= 0):
        raise UsageError(f"The price {text!r} is not IN,OUT.", "Give dollars per million tokens: --price 0.15,0.60")
    return price_in, price_out


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
