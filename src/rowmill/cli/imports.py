"""``rowmill import``: a file as a dataset."""

from dataclasses import asdict
from typing import Any

import click

from rowmill.cli.common import json_option, print_json, the_store
from rowmill.cli.foreground import allowance
from rowmill.cli.specs import import_spec
from rowmill.cli.submitted import requeue
from rowmill.cli.words import rows_word
from rowmill.jobs.plan import Plan, plan_import
from rowmill.jobs.submit.submit import submit


@click.command(name="import")
@click.argument("input_", metavar="FILE")
@click.option("--dataset", metavar="NAME", help="The dataset; default: the name of the file.")
@click.option(
    "--key", metavar="COLUMN", help="The column that identifies a record: a row with a known key updates that record."
)
@click.option(
    "-c", "--column", "columns", metavar="'NAME: TYPE'", multiple=True,
    help="The type of a column: text, integer, number, boolean, date, list, or labels: 'size: S | M'. Repeatable.",
)  # fmt: skip
@click.option("--required", metavar="COLUMN", multiple=True, help="A column that no row may leave empty. Repeatable.")
@click.option("--input-format", "format_", metavar="FORMAT", help="The file format; default: from the suffix.")
@click.option("--plan", is_flag=True, help="Only show what would be created, updated, skipped and refused.")
@click.option("--name", metavar="NAME", help="The job's name; default: the name of the file.")
@click.option(
    "--max-failed",
    metavar="1%|N",
    default="0",
    show_default=True,
    help="Exit with 0 if no more rows than this fail (a number or a percentage).",
)
@click.option("--detach", is_flag=True, help="Leave the job to a worker (rowmill serve).")
@click.option("--new", is_flag=True, help="Import again even if the dataset already has this file.")
@json_option
def import_(*, input_: str, plan: bool, max_failed: str, detach: bool, as_json: bool, **options: Any) -> int:
    """Import FILE (a path, a URL, or - for stdin) into a dataset.

    Rows that do not fit fail with the reason, the others go in.

    With a key, lines create or update records and leave the same ones alone; without, every line is a new record. The
    same command again goes on where it stopped.
    """
    spec = import_spec(input_, detach=detach, **options)
    allowance(max_failed, 0)
    with the_store() as store:
        if plan:
            planned = plan_import(store, spec)
            print_json(asdict(planned)) if as_json else _print_plan(planned)
            return 0
        engine = store.join()
        try:
            submission = submit(store, engine, spec)
            return requeue(store, engine, submission, max_failed, detach=detach, as_json=as_json)
        finally:
            store.leave(engine)


def _print_plan(plan: Plan) -> None:
    click.echo(f"{rows_word(plan.total)} into {'the' if plan.exists else 'a new'} dataset {plan.dataset}:")
    for count, what in (
        (plan.created, "would be created"),
        (plan.updated, "would be updated"),
        (plan.unchanged, "are there already and unchanged"),
        (plan.superseded, "have a later line with the same key"),
        (plan.failed, "would be refused"),
    ):
        click.echo(f"  {count:>12,} {what}")
    if plan.new_columns:
        click.echo(f"New columns: {', '.join(plan.new_columns)}")
    for number, code, message in plan.first_refused:
        click.echo(f"  row {number}: {code}: {message}")
    if plan.failed > len(plan.first_refused):
        click.echo(f"  … and {plan.failed - len(plan.first_refused):,} more")
    click.echo("Nothing was written.")
