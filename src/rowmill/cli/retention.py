"""``rowmill delete`` and ``prune``."""

import re
from dataclasses import asdict

import click

from rowmill.cli.common import json_option, print_json, the_store
from rowmill.core.errors import UsageError
from rowmill.jobs.datasets import find
from rowmill.jobs.retention import delete_dataset, delete_job
from rowmill.jobs.retention import prune as prune_store
from rowmill.tables.dataset import Dataset

_SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}


@click.command()
@click.argument("name", metavar="JOB|DATASET")
@click.option("--with-jobs", is_flag=True, help="Also delete a dataset's enrichments, with their results.")
@json_option
def delete(name: str, *, with_jobs: bool, as_json: bool) -> None:
    """Remove a job with its results, or a dataset with its imports and exports; files that were written stay.

    What an import has brought in stays in its dataset. What another job needs is not removed.
    """
    with the_store() as store:
        found = find(store, name)
        if isinstance(found, Dataset):
            jobs = delete_dataset(store, found, with_jobs=with_jobs)
            view: dict[str, object] = {"id": found.id, "deleted": True, "jobs": jobs}
            sentence = f"{found.name} ({found.id}) is deleted" + (f", and {len(jobs)} of its jobs." if jobs else ".")
        else:
            results = delete_job(store, found)
            view = {"id": found.id, "deleted": True, "results": results}
            sentence = f"{found.id} is deleted" + (
                f", and what it had found for {results:,} records." if results else "."
            )
    print_json(view) if as_json else click.echo(sentence)


@click.command()
@click.option("--older-than", metavar="30d", help="Also delete jobs older than this, such as 12h, 30d or 8w.")
@json_option
def prune(older_than: str | None, *, as_json: bool) -> None:
    """Remove what deleted jobs and killed processes left behind, and give the space back.

    With --older-than also jobs that have completed, failed or were cancelled, with the downloads that they made, and
    uploads that no unfinished job needs. Datasets stay, and so do the jobs whose results are columns of one.
    """
    seconds = _age(older_than) if older_than else None
    with the_store() as store:
        pruned = prune_store(store, seconds)
    if as_json:
        print_json(asdict(pruned))
        return
    uploads = f" and {len(pruned.files):,} uploads" if pruned.files else ""
    click.echo(f"{len(pruned.jobs):,} jobs{uploads} removed, {pruned.bytes / 1e6:,.1f} MB given back.")
    for reason in dict.fromkeys(pruned.kept.values()):
        ids = [id_ for id_, why in pruned.kept.items() if why == reason]
        which = ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1:,} more"
        click.echo(f"Kept {which}: {reason}")


def _age(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip().lower())
    if match is None:
        raise UsageError(f"{text!r} is no age.", "Write for example 12h, 30d or 8w.")
    return int(match[1]) * _SECONDS[match[2]]
