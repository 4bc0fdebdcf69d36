"""Resolves an export of a dataset's records, or of a job's rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from rowmill.core.errors import UsageError
from rowmill.core.job import Job, JobDraft, Settings
from rowmill.core.status import JobType
from rowmill.core.suggest import did_you_mean, listing
from rowmill.core.transfer import ExportSpec
from rowmill.db.values import new_id
from rowmill.engine.inputs import result_columns
from rowmill.engine.transfer.importer import OWN_COLUMNS, REST
from rowmill.engine.transfer.pages import ERROR_COLUMN, ROW_COLUMN
from rowmill.jobs.datasets import find
from rowmill.jobs.deliver import check_output, columns_of
from rowmill.jobs.spec import DatasetSource, FileOutput, JobSource, JobSpec, NamedSource
from rowmill.jobs.submit.choice import choose
from rowmill.jobs.submit.resolved import Resolved
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset

ONLY = ("succeeded", "failed", "unprocessed")


@dataclass(kw_only=True)
class Export(Resolved):
    source: Job | Dataset
    file: str | None
    """The id of the download that it makes."""

    def draft(self, store: Store) -> JobDraft:
        source, asked = self.source, self.spec.selection
        assert isinstance(self.spec.output, FileOutput)
        assert self.output is not None
        safe = self.output.format == "xlsx" if self.spec.output.safe_cells is None else self.spec.output.safe_cells
        if isinstance(source, Job):
            dataset = store.datasets.get(source.dataset)
            columns = _chosen(self.spec.output, job_columns(store, source, asked.only))
            extract = ExportSpec(columns, source.pk, source.id, source.seq, asked.only, safe)
            rows = getattr(source.counts, asked.only or "total")
            selection = None
        else:
            dataset = source
            selection = choose(store, dataset, asked, [])
            columns = _chosen(self.spec.output, [*dataset.columns, *result_columns(store, dataset)])
            extract = ExportSpec(columns, safe_cells=safe)
            rows = None if selection else 0
        return JobDraft(
            type=JobType.EXPORT,
            name=self.spec.about.name or source.name,
            dataset=dataset.pk,
            selection=selection or (),
            steps=[],
            settings=Settings(),
            identity=self.identity,
            output=self.output,
            extract=extract,
            rows=rows,
            revision=dataset.revision,
            result_version=dataset.result_version,
            file=self.file,
            metadata=self.spec.about.metadata,
            id=self.spec.about.id,
            detached=self.spec.about.detach,
            held=self.spec.about.held,
        )


@contextmanager
def resolve_export(store: Store, spec: JobSpec) -> Iterator[Export]:
    """The export of the source as it stands now. It is the same as one that has not ended. Raises ``UsageError``."""
    assert isinstance(spec.output, FileOutput)
    assert isinstance(spec.source, DatasetSource | JobSource | NamedSource)
    source = find(store, spec.source.name)
    asked = spec.selection
    if isinstance(source, Job) and (asked.rows or asked.where):
        raise UsageError("--rows and --where choose records of a dataset.", "Choose a job's rows by --only.")
    if isinstance(source, Dataset) and asked.only:
        raise UsageError("--only chooses rows of a job.", "Choose a dataset's records by --rows or --where.")
    file = None
    if spec.output.path is None:
        file = new_id("file")
        store.uploads.mkdir(parents=True, exist_ok=True)
        output = check_output(str(store.uploads / file), spec.output.format or "csv", "csv", overwrite=True)
    else:
        output = check_output(spec.output.path, spec.output.format, "csv", overwrite=spec.output.overwrite)
    sameness = ["export", source.id, asdict(asked), asdict(spec.output) | {"path": output.path}]
    yield Export(
        spec=spec, output=output, sameness=sameness, new=spec.about.new, repeats=True, source=source, file=file
    )


def job_extract(store: Store, job: Job, only: str | None, *, safe_cells: bool) -> ExportSpec:
    """All columns of the rows of ``job`` with the status ``only``, as they stand now. Raises ``UsageError`` if a job of
    its type has no such rows."""
    columns = [(name, name) for name in job_columns(store, job, only)]
    return ExportSpec(columns, job.pk, job.id, job.seq, only, safe_cells)


def job_columns(store: Store, job: Job, only: str | None) -> list[str]:
    """The columns of the file with the rows of ``job`` with the status ``only``. Raises ``UsageError``."""
    match job.type:
        case JobType.EXPORT:
            raise UsageError(f"{job.id} is an export itself.", "Export the job or dataset that it was made from.")
        case JobType.IMPORT if only != "failed":
            hint = f"Export those that failed by --only failed, or the dataset: rowmill export {job.dataset_id}"
            raise UsageError(f"The rows that {job.id} brought in are in its dataset.", hint)
        case JobType.IMPORT:
            header = [name for name in store.browse.first_refused(job.pk) if name not in OWN_COLUMNS]
            rest = [REST] if store.browse.any_code(job.pk, "malformed") else []
            return [*header, ROW_COLUMN, ERROR_COLUMN, *rest]
        case JobType.ENRICHMENT:
            return columns_of(store.datasets.get(job.dataset).columns, job.columns, overwrite=True)


def _chosen(output: FileOutput, known: Sequence[str]) -> list[tuple[str, str]]:
    """(source column, name in the file) of each column that is asked for. Raises ``UsageError``."""
    if not output.columns:
        return [(name, name) for name in known]
    chosen = [(text, new) if new or text in known else _split(text) for text, new in output.columns]
    if unknown := next((name for name, _ in chosen if name not in known), None):
        hint = f"{did_you_mean(unknown, known)} The columns are: {listing(known)}.".strip()
        raise UsageError(f"There is no column {unknown!r}.", hint)
    pairs = [(name, new or name) for name, new in chosen]
    names = [name for _, name in pairs]
    if twice := next((name for place, name in enumerate(names) if name in names[:place]), None):
        raise UsageError(f"The file would have two columns {twice!r}.", "Rename one: -c 'NAME=NEW NAME'")
    return pairs


def _split(text: str) -> tuple[str, str | None]:
    name, equals, new = (part.strip() for part in text.partition("="))
    if equals and not new:
        raise UsageError(f"{text!r} gives the column no new name.", "Write -c 'NAME=NEW NAME'.")
    return name, new or None
