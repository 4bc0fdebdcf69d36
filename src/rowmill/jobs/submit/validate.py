"""What is checked of an enrichment before it is stored."""

from collections.abc import Sequence

from rowmill.core.errors import UsageError
from rowmill.core.job import Output, Step
from rowmill.core.suggest import did_you_mean, listing
from rowmill.jobs.deliver import columns_of
from rowmill.jobs.spec import FileSource, JobSource, JobSpec, NamedSource
from rowmill.tables.source import shown


def check_selection(spec: JobSpec, *, over_file: bool) -> None:
    """Raises ``UsageError`` for a selection that the source does not allow."""
    asked = spec.selection
    if isinstance(spec.source, JobSource):
        if asked.rows:
            raise UsageError("--from takes the rows of a job.", "Leave the input and --rows out.")
        if asked.only not in ("failed", "unprocessed"):
            raise UsageError("Which rows of the other job?", "Say failed or unprocessed (--only).")
    elif not over_file:
        if asked.only in ("failed", "unprocessed"):
            raise UsageError(f"--only {asked.only} takes the rows of a job.", "Add --from JOB, or choose --only new.")
        return
    only = None if isinstance(spec.source, JobSource) else asked.only
    for option, value in (("where", asked.where), ("keys", asked.keys), ("only", only)):
        if value:
            raise _no_dataset(spec, option)


def _no_dataset(spec: JobSpec, option: str) -> UsageError:
    match spec.source:
        case NamedSource(name) | FileSource(name, name=None):
            key = " --key COLUMN" if option != "where" else ""
            hint = f"Import it first: rowmill import {name} --dataset NAME{key}"
            return UsageError(f"--{option} chooses records of a dataset, and {shown(name)} is a file.", hint)
        case _:
            hint = "Take the rows into a dataset by an import first, or leave it out."
            return UsageError(f"`{option}` chooses records of a dataset.", hint)


def check_columns(
    steps: Sequence[Step], columns: Sequence[str], results: Sequence[str] = (), *, output: Output | None
) -> None:
    """Raises ``UsageError`` if a step uses a column that neither the input nor an earlier step has, or if two columns
    clash."""
    known = [*columns, *results]
    outputs: list[str] = []
    for step in steps:
        if unnamed := [name for name in step.outputs if not name.strip() or not name.isprintable()]:
            raise UsageError(f"{unnamed[0]!r} is no name for a column.", "Give the output column another name.")
        for name in step.inputs or ():
            if name not in known:
                hint = f"{did_you_mean(name, known)} The columns are: {listing(known)}.".strip()
                raise UsageError(f"{{{{{name}}}}} is used, but there is no such column.", hint)
        if twice := next((name for name in step.outputs if name in outputs), None):
            raise UsageError(f"Two steps fill the column {twice!r}.", "Give one of them another name.")
        outputs += step.outputs
        known += step.outputs
    columns_of(columns, outputs, overwrite=bool(output and output.overwrite))
