"""``rowmill demo``: what Rowmill does, on real data with a real model, without a key or a network."""

import csv
import shlex
import shutil
import sys
from importlib.resources import as_file
from pathlib import Path

import click

from rowmill.cli.common import the_store
from rowmill.cli.demo import COLUMNS, LABEL, PROMPT, SYSTEM, reviews
from rowmill.cli.foreground import finished, work
from rowmill.cli.specs import run_spec
from rowmill.core.job import Job
from rowmill.core.status import JobStatus
from rowmill.jobs import control
from rowmill.jobs.spec import JobSpec
from rowmill.jobs.submit.submit import submit
from rowmill.ledger.opening import default_home
from rowmill.ledger.store import Store

_MODEL = "local/smollm2"
_QUESTION = "Did the product break? {{review}}"


@click.command()
@click.option("--new", is_flag=True, help="Run it again although it has been run before.")
def demo(*, new: bool) -> int:
    """Run a real enrichment of bundled product reviews on the embedded model, then say what to try next.

    The model is SmolLM2 with 135 million parameters: good enough for positive or negative, weak at three labels and
    hopeless at many.
    """
    place = default_home() / "demo"
    table, output = place / "reviews.csv", place / "reviews_with_sentiment.csv"
    spec = run_spec(
        input_=str(table), prompt=PROMPT, system=SYSTEM, columns=COLUMNS, model=_MODEL, output=str(output),
        overwrite=True, new=new, name="demo: product reviews",
    )  # fmt: skip
    with the_store() as store:
        place.mkdir(exist_ok=True)
        with as_file(reviews()) as bundled:
            shutil.copyfile(bundled, table)
        code, job = _enrich(store, spec)
        if job.status is JobStatus.COMPLETED:
            _print_accuracy(output)
            _print_next(job, table)
        return code


def _enrich(store: Store, spec: JobSpec) -> tuple[int, Job]:
    engine = store.join()
    try:
        submission = submit(store, engine, spec)
        job = submission.job
        click.echo(
            f"{job.counts.total} product reviews, positive or negative? Asking SmolLM2, embedded here.", err=True
        )
        if job.status is JobStatus.COMPLETED:
            click.echo("They were asked before; the saved results are used (--new asks again).", err=True)
            code = finished(store, job, "0", as_json=False, overwrite=True)
        else:
            if submission.found:
                job = control.resume(store, job)
            code = work(store, engine, job, overwrite=True)
    finally:
        store.leave(engine)
    return code, store.browse.job(job.pk)


def _print_accuracy(output: Path) -> None:
    name = COLUMNS[0].partition(":")[0]
    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    right = sum(row[name] == row[LABEL] for row in rows)
    click.echo(f"\nAccuracy against the true labels: {right} of {len(rows)} right ({right / len(rows):.0%}).")


def _print_next(job: Job, table: Path) -> None:
    program = "rowmill" if shutil.which("rowmill") else shlex.quote(str(Path(sys.argv[0]).absolute()))
    path = shlex.quote(str(table))
    click.echo("\nTry next:")
    for line in (
        f"{program} show {job.id}",
        f"{program} rows {job.id} --limit 5",
        f"{program} run {path} --prompt '{_QUESTION}' -c 'broke: yes | no' --model {_MODEL} --rows 1-20 -o broke.csv",
        f"{program} run --help",
    ):
        click.echo(f"  {line}")
