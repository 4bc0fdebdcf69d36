"""``rowmill show``: one job, or one dataset."""

from typing import Any

import click

from rowmill.cli.common import json_option, print_json, the_store
from rowmill.cli.remedies import REMEDIES
from rowmill.cli.tables import print_table
from rowmill.cli.words import duration, outcome_line, progress_line, rows_word, spending, state, stop_lines
from rowmill.core.job import Job
from rowmill.core.status import JobStatus, JobType
from rowmill.core.timestamps import moment
from rowmill.engine.inputs import result_columns
from rowmill.jobs.control import over
from rowmill.jobs.datasets import find, profile
from rowmill.jobs.view import dataset_view, job_view
from rowmill.ledger.store import Store
from rowmill.shapes import datasets as shapes
from rowmill.tables.dataset import Dataset


@click.command()
@click.argument("name", metavar="JOB|DATASET")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show a job (progress, failures, executions) or a dataset and a profile of its columns."""
    with the_store() as store:
        found = find(store, name)
        if isinstance(found, Dataset):
            view, held = dataset_view(found, result_columns(store, found)), profile(store, found)
            print_json({**vars(view), "profile": held}) if as_json else _print_dataset(view, held)
        elif as_json:
            print_json(job_view(found, store.clock(), REMEDIES, store.browse.executions(found.pk)))
        else:
            _print_job(store, found)


def _print_job(store: Store, job: Job) -> None:
    click.echo(f"{job.id}  {job.type}  {job.name}  {state(job)}")
    click.echo(progress_line(job, store.clock()))
    if job.type is JobType.IMPORT:
        dataset = store.datasets.get(job.dataset)
        click.echo(f"Into the dataset {dataset.name} ({dataset.id}): {outcome_line(job)}.")
    elif job.type is JobType.EXPORT and job.output:
        click.echo(f"Into {job.output.path}, as {job.output.format}.")
    elif job.status is JobStatus.COMPLETED and spending(job):
        click.echo(f"Succeeded {job.counts.succeeded:,}, failed {job.counts.failed:,}.")
    for code, count in store.browse.failure_codes(job.pk).items():
        click.echo(f"  {count:,} failed with {code}")
    if job.uncertain:
        click.echo(f"{job.uncertain:,} calls were in flight when a process ended and may have been made twice.")
    for execution in store.browse.executions(job.pk):
        ended = "under way" if execution.finished_at is None else execution.ended_as
        took = duration((execution.finished_at or store.clock()) - execution.started_at)
        began = moment(execution.started_at)
        click.echo(f"Execution {execution.number}: {began}, {took}, {execution.processed:,} rows, {ended}")
    if _awaits_its_file(job):
        click.echo(f"Its output file has not been written; do it with: rowmill resume {job.id}")
    if over(job) or job.interrupted:
        for line in stop_lines(job):
            click.echo(line)


def _awaits_its_file(job: Job) -> bool:
    if job.status is not JobStatus.COMPLETED or job.type is not JobType.ENRICHMENT or job.output is None:
        return False
    return job.output.path != "-" and job.delivered is None


def _print_dataset(view: shapes.Dataset, found: dict[str, Any]) -> None:
    click.echo(f"{view.name}  {view.id}  {rows_word(view.rows)}, revision {view.revision}")
    keyed = f"Key: {view.key}, no duplicates. " if view.key else "No key. "
    click.echo(f"{keyed}Duplicate rows: {found['duplicate_rows']:,}.")
    types = {each.name: _declared(each) for each in view.fields}
    lines = []
    for column in found["columns"]:
        held = ", ".join(name for name, count in column["types"].items() if count and name != "empty")
        looks = f"{held} (like {column['looks_like']})" if column["looks_like"] not in (None, held) else held
        distinct = f"{'' if column['distinct_exact'] else 'about '}{column['distinct']:,}"
        examples = ", ".join(str(example) for example in column["examples"])
        declared = types.get(column["name"], "")
        lines.append([column["name"], declared, looks, f"{column['empty_share']:.0%}", distinct, examples])
    print_table(["column", "type", "holds", "empty", "distinct", "examples"], lines, text=[0, 1, 2, 5])
    if view.result_columns:
        click.echo(f"Columns that jobs have added: {', '.join(view.result_columns)}")


def _declared(field: shapes.Field) -> str:
    kind = " | ".join(field.values) or field.type
    return f"{kind}, required" if field.required else kind
