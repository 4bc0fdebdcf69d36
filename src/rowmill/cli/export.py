"""``rowmill export``: a dataset, or a job's rows, as a file."""

import click

from rowmill.cli.common import json_option, the_store
from rowmill.cli.submitted import requeue
from rowmill.core.errors import UsageError
from rowmill.core.status import JobType
from rowmill.jobs.spec import About, FileOutput, JobSpec, NamedSource, Selection
from rowmill.jobs.submit.exports import ONLY
from rowmill.jobs.submit.submit import submit


@click.command()
@click.argument("source", metavar="DATASET|JOB")
@click.option("-o", "--output", metavar="FILE", required=True, help="The file or URL to write; - is stdout.")
@click.option("--format", "format_", metavar="FORMAT", help="The file format; default: from the suffix.")
@click.option("--only", type=click.Choice(ONLY), help="Only these rows of a job.")
@click.option(
    "-c", "--column", "columns", metavar="NAME[=NEW]", multiple=True,
    help="A column to write, optionally renamed, in the given order. Repeatable; default: all.",
)  # fmt: skip
@click.option("--rows", metavar="1-100", help="Only these records of a dataset.")
@click.option("--where", metavar="EXPR", help="Only records of a dataset that match.")
@click.option(
    "--safe-cells/--no-safe-cells", default=None,
    help="Protect text that a spreadsheet would treat as a formula; default: on for xlsx, off otherwise.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--detach", is_flag=True, help="Leave the job to a worker (rowmill serve).")
@click.option("--new", is_flag=True, help="Start a new export even if the same one is unfinished.")
@json_option
def export(
    *,
    source: str,
    output: str,
    format_: str | None,
    only: str | None,
    columns: tuple[str, ...],
    rows: str | None,
    where: str | None,
    safe_cells: bool | None,
    overwrite: bool,
    detach: bool,
    new: bool,
    as_json: bool,
) -> int:
    """Write a dataset, or a job's rows, to a file as they stand now.

    A dataset gives its columns and those that jobs have added; a job its input columns, outputs, _status and _error;
    the failed rows of an import their cells, _row and _error, to be mended and imported again.
    """
    if detach and output == "-":
        raise UsageError("A job that is left to another process cannot write to this one's stdout.", "Give a file.")
    pairs = tuple((text, None) for text in columns)
    spec = JobSpec(
        type=JobType.EXPORT,
        source=NamedSource(source),
        selection=Selection(rows, where, only=only),
        output=FileOutput(output, format_, overwrite, pairs, safe_cells),
        about=About(new=new, detach=detach),
    )
    with the_store() as store:
        engine = store.join()
        try:
            submission = submit(store, engine, spec)
            return requeue(store, engine, submission, detach=detach, as_json=as_json)
        finally:
            store.leave(engine)
