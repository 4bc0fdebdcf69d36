"""``rowmill export``: a job's rows as a file."""

import click

from rowmill.cli.common import job_argument, one_job
from rowmill.model.errors import UsageError
from rowmill.model.status import RowStatus
from rowmill.service.deliver import check_output, occupied, write

_ONLY = {"succeeded": RowStatus.SUCCEEDED, "failed": RowStatus.FAILED, "unprocessed": RowStatus.PENDING}


@click.command()
@job_argument
@click.option("-o", "--output", metavar="FILE", required=True, help="Where to; - is stdout.")
@click.option("--format", "format_", metavar="FORMAT", help="If the suffix does not say it.")
@click.option("--only", type=click.Choice(list(_ONLY)), help="Only these rows.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def export(job_name: str, output: str, format_: str | None, only: str | None, *, overwrite: bool) -> None:
    """Write JOB's rows to a file as they stand now: input columns, outputs, _status and _error."""
    with one_job(job_name) as (store, job):
        target = check_output(output, format_, "csv", overwrite=overwrite)
        if occupied(target):
            raise UsageError(f"{target.path} exists already.", "Choose another file, or add --overwrite.")
        written = write(store, job, target, _ONLY[only] if only else None)
        click.echo(f"{written:,} rows written to {output}.", err=True)
