"""Makes an export job from what a user asks for."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

import orjson

from rowmill.core.errors import UsageError
from rowmill.core.job import Job, JobDraft, Output, Settings
from rowmill.core.status import JobStatus, JobType
from rowmill.core.suggest import did_you_mean, listing
from rowmill.core.transfer import ExportSpec
from rowmill.db.values import new_id
from rowmill.engine.inputs import result_columns
from rowmill.engine.transfer.importer import OWN_COLUMNS, REST
from rowmill.engine.transfer.pages import ERROR_COLUMN, ROW_COLUMN
from rowmill.jobs.deliver import check_free, check_output, columns_of
from rowmill.jobs.submit.choice import Choice, choose
from rowmill.jobs.submit.enrichments import Submission, same_run
from rowmill.jobs.submit.request import JobRequest
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset

ONLY = ("succeeded", "failed", "unprocessed")


@dataclass(frozen=True, slots=True)
class ExportRequest(JobRequest):
    """What ``rowmill export`` is asked for, word by word. ``columns`` are ``NAME`` or ``NAME=NEW NAME``."""

    output: str | None
    """A path, a URL, ``-`` for stdout, or ``None`` for a download."""

    format: str | None = None
    only: str | None = None
    columns: tuple[str, ...] = ()
    safe_cells: bool | None = None
    rows: str | None = None
    where: str | None = None
    overwrite: bool = False
    pairs: tuple[tuple[str, str], ...] = ()
    """Columns and their names in the file, instead of ``columns``."""


_STEERING = ("output", *(field.name for field in fields(JobRequest)))
"""What another export may be asked for and still be the same."""


def submit_export(store: Store, source: Job | Dataset, request: ExportRequest) -> Submission:
    """Makes the export job of a job's rows or a dataset's records as they stand now, or finds the same one that has not
    ended. Raises ``UsageError`` for whatever cannot work; nothing is left behind then."""
    file = new_id("file") if request.output is None else None
    output = _download(store, file, request) if file else _output(request)
    identity = _identity(source, request, output)
    known = None if request.new else same_run(store, identity)
    if known and known.status is not JobStatus.COMPLETED:
        return Submission(known, found=True)
    check_free(output)
    make = _of_job if isinstance(source, Job) else _of_dataset
    draft = make(store, source, request, output, identity)  # type: ignore[arg-type]
    draft = replace(draft, name=request.name or draft.name, file=file, **request.handed_on)
    pk = store.control.submit(draft, store.clock())
    return Submission(store.browse.job(pk), found=False)


def _output(request: ExportRequest) -> Output:
    return check_output(request.output or "", request.format, "csv", overwrite=request.overwrite)


def _download(store: Store, file: str, request: ExportRequest) -> Output:
    """The output of an export whose file is to be downloaded as ``file``."""
    store.uploads.mkdir(parents=True, exist_ok=True)
    return check_output(str(store.uploads / file), request.format or "csv", "csv", overwrite=True)


def job_extract(store: Store, job: Job, only: str | None, *, safe_cells: bool) -> ExportSpec:
    """All columns of the rows of ``job`` that are ``only`` so, as they stand now. Raises ``UsageError`` where a job of
    its type has no such rows."""
    columns = [(name, name) for name in _columns(store, job, only)]
    return ExportSpec(columns, job.pk, job.id, job.seq, only, safe_cells)


def _of_job(store: Store, job: Job, request: ExportRequest, output: Output, identity: str) -> JobDraft:
    if request.rows or request.where:
        raise UsageError("--rows and --where choose records of a dataset.", "Choose a job's rows by --only.")
    known = _columns(store, job, request.only)
    counts = job.counts
    rows = {
        None: counts.total,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "unprocessed": counts.unprocessed,
    }[request.only]
    extract = ExportSpec(_chosen(request, known), job.pk, job.id, job.seq, request.only, _safe(request, output))
    return _draft(job.name, store.datasets.get(job.dataset), identity, output, extract, rows=rows)


def _columns(store: Store, job: Job, only: str | None) -> list[str]:
    """The columns of the file with the rows of ``job`` that are ``only`` so. Raises ``UsageError``."""
    match job.type:
        case JobType.EXPORT:
            raise UsageError(f"{job.id} is an export itself.", "Export the job or dataset that it was made from.")
        case JobType.IMPORT if only != "failed":
            hint = f"Export those that failed by --only failed, or the dataset: rowmill export {job.dataset_id}"
            raise UsageError(f"The rows that {job.id} brought in are in its dataset.", hint)
        case JobType.IMPORT:
            rest = [REST] if store.browse.any_code(job.pk, "malformed") else []
            return [*_header(store, job), ROW_COLUMN, ERROR_COLUMN, *rest]
        case JobType.ENRICHMENT:
            return columns_of(store.datasets.get(job.dataset).columns, job.columns, overwrite=True)


def _header(store: Store, job: Job) -> list[str]:
    """The columns of the file that an import read, as far as its failed rows tell."""
    return [name for name in store.browse.first_refused(job.pk) if name not in OWN_COLUMNS]


def _of_dataset(store: Store, dataset: Dataset, request: ExportRequest, output: Output, identity: str) -> JobDraft:
    if request.only:
        raise UsageError("--only chooses rows of a job.", "Choose a dataset's records by --rows or --where.")
    selection = choose(store, dataset, Choice(request.rows, request.where), [])
    known = [*dataset.columns, *result_columns(store, dataset)]
    extract = ExportSpec(_chosen(request, known), safe_cells=_safe(request, output))
    if not selection:
        return _draft(dataset.name, dataset, identity, output, extract, rows=0)
    return _draft(dataset.name, dataset, identity, output, extract, selection=selection)


def _draft(name: str, dataset: Dataset, identity: str, output: Output, extract: ExportSpec, **more: object) -> JobDraft:
    return JobDraft(
        type=JobType.EXPORT,
        name=name,
        dataset=dataset.pk,
        steps=[],
        settings=Settings(),
        identity=identity,
        output=output,
        extract=extract,
        revision=dataset.revision,
        result_version=dataset.result_version,
        **({"selection": ()} | more),  # type: ignore[arg-type]
    )


def _safe(request: ExportRequest, output: Output) -> bool:
    return output.format == "xlsx" if request.safe_cells is None else request.safe_cells


def _chosen(request: ExportRequest, known: Sequence[str]) -> list[tuple[str, str]]:
    """(source column, name in the file) of each column that is asked for. Raises ``UsageError``."""
    if not request.columns and not request.pairs:
        return [(name, name) for name in known]
    chosen = [_pair(text, known) for text in request.columns] or list(request.pairs)
    if unknown := next((name for name, _ in chosen if name not in known), None):
        raise _no_column(unknown, known)
    names = [name for _, name in chosen]
    if twice := next((name for place, name in enumerate(names) if name in names[:place]), None):
        raise UsageError(f"The file would have two columns {twice!r}.", "Rename one: -c 'NAME=NEW NAME'")
    return chosen


def _pair(text: str, known: Sequence[str]) -> tuple[str, str]:
    if text in known:
        return text, text
    name, equals, new = (part.strip() for part in text.partition("="))
    if name not in known:
        raise _no_column(name, known)
    if equals and not new:
        raise UsageError(f"{text!r} gives the column no new name.", "Write -c 'NAME=NEW NAME'.")
    return name, new or name


def _no_column(name: str, known: Sequence[str]) -> UsageError:
    hint = f"{did_you_mean(name, known)} The columns are: {listing(known)}.".strip()
    return UsageError(f"There is no column {name!r}.", hint)


def _identity(source: Job | Dataset, request: ExportRequest, output: Output) -> str:
    given = {name: value for name, value in asdict(request).items() if name not in _STEERING}
    return hashlib.sha256(orjson.dumps(["export", source.id, given, output.path])).hexdigest()
