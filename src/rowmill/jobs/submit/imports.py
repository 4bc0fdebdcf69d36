"""Makes an import job from what a user asks for."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import orjson

from rowmill.core.columns import split_column
from rowmill.core.errors import InputError, UsageError
from rowmill.core.job import JobDraft, Settings
from rowmill.core.status import JobStatus, JobType
from rowmill.core.transfer import Source
from rowmill.db.values import new_id
from rowmill.engine.inputs import result_columns
from rowmill.engine.transfer.importer import Fitter
from rowmill.jobs.datasets import check_dataset_name
from rowmill.jobs.submit.enrichments import Submission, same_run
from rowmill.jobs.submit.request import JobRequest
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Guard
from rowmill.tables.dataset import Dataset
from rowmill.tables.headers import check_present, match_headers
from rowmill.tables.schema import TYPES, Field, Schema, declared_schema, parse_fields
from rowmill.tables.source import OpenSource, Tell, check_name, is_url, open_source, put_aside, shown, suffix_format


@dataclass(frozen=True, slots=True)
class ImportRequest(JobRequest):
    """What ``rowmill import`` is asked for, word by word. ``columns`` are ``NAME: TYPE``."""

    input: str
    """A path, a URL, or ``-`` for stdin."""

    format: str | None = None
    dataset: str | None = None
    key: str | None = None
    columns: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    input_name: str | None = None
    """What messages call the input, where that is not its path."""

    sha256: str | None = None
    """Of the input, where it is known."""

    fields: tuple[Field, ...] | None = None
    """What the columns hold, instead of ``columns`` and ``required``."""

    guard: Guard | None = None
    """Where a URL may lead, where it may not lead anywhere."""

    file: str | None = None
    """The id of the upload that the input is."""


@dataclass(slots=True)
class Prepared:
    """A request whose file was opened and whose header fits the dataset called ``name``, ``None`` while there is none.
    ``given`` is what the request says of the schema, ``schema`` what then holds."""

    opened: OpenSource
    source: Source
    name: str
    dataset: Dataset | None
    given: Schema
    schema: Schema
    taken: bool = False
    """A job needs Rowmill's own copy of the file."""

    results: list[str] = field(default_factory=list)
    """Columns that jobs have added to the dataset; in the file they are passed over."""

    def fitter(self) -> Fitter:
        return Fitter(self.schema, self.dataset.columns if self.dataset else (), self.results)


def submit_import(store: Store, request: ImportRequest, tell: Tell = lambda size: None) -> Submission:
    """Makes the import job, or finds the same one that has not ended; without a key column also the same one that has.

    Raises ``UsageError`` for whatever cannot work; nothing is left behind then.
    """
    with prepared(store, request, tell) as ready:
        identity = _identity(ready)
        known = None if request.new else same_run(store, identity)
        if known and (known.status is not JobStatus.COMPLETED or ready.schema.key is None):
            return Submission(known, found=True)
        draft = JobDraft(
            type=JobType.IMPORT,
            name=request.name or Path(ready.source.name).name,
            dataset=0,
            selection=[],
            steps=[],
            settings=Settings(),
            identity=identity,
            source=ready.source,
            file=request.file,
            **request.handed_on,
        )
        pk = store.control.submit_import(draft, ready.name, ready.given, store.clock())
        ready.taken = True
        return Submission(store.browse.job(pk), found=False)


@contextmanager
def prepared(store: Store, request: ImportRequest, tell: Tell) -> Iterator[Prepared]:
    """Opens the request's file, fetched first where it is no path. Raises ``UsageError``."""
    name = _dataset_name(request)
    given = _given(request)
    dataset = store.datasets.named(name)
    if dataset:
        given = _typed_as_known(given, request, dataset.schema)
    schema = dataset.schema.merged(given) if dataset else given
    _check_key(dataset, schema)
    elsewhere = request.input == "-" or is_url(request.input)
    format_ = request.format or (suffix_format(request.input, "readers") if request.input != "-" else None)
    path = _fetched(store, request, tell) if elsewhere else request.input
    ready = None
    try:
        with open_source(path, format_, guess=elsewhere, sha256=request.sha256) as opened:
            shown_name = request.input_name or shown(request.input)
            opened.name = shown_name
            _check_header(opened, given, schema, dataset)
            source = Source(os.path.abspath(path), opened.format, shown_name, opened.content_hash, elsewhere)  # noqa: PTH100 - resolves no links
            ready = Prepared(opened, source, name, dataset, given, schema)
            ready.results = result_columns(store, dataset) if dataset else []
            yield ready
    finally:
        if elsewhere and not (ready and ready.taken):
            Path(path).unlink(missing_ok=True)


def _dataset_name(request: ImportRequest) -> str:
    if request.dataset is None:
        if request.input == "-":
            raise UsageError("Standard input has no name.", "Name the dataset: --dataset NAME")
        path = urlsplit(request.input).path if request.input.startswith(("http://", "https://")) else request.input
        check_name(path)
        name = PurePosixPath(request.input_name or path).stem
    else:
        name = request.dataset.strip()
    check_dataset_name(name)
    return name


def _given(request: ImportRequest) -> Schema:
    """What the request says of the schema."""
    if request.fields is not None:
        return declared_schema(request.fields, request.key)
    return parse_fields(request.columns, request.required, request.key)


def _typed_as_known(given: Schema, request: ImportRequest, known: Schema) -> Schema:
    """A column that is only said to be required keeps the type that it has."""
    if request.fields is not None:
        return given
    declared = {split_column(text, TYPES)[0] for text in request.columns}
    types = {field.name: field for field in known.fields}
    spelled = match_headers([field.name for field in given.fields], known.names)
    fields = tuple(
        field if field.name in declared or name not in types else replace(types[name], required=True)
        for name, field in zip(spelled, given.fields, strict=True)
    )
    return Schema(fields, given.key)


def _check_key(dataset: Dataset | None, schema: Schema) -> None:
    if dataset is None or dataset.schema.key == schema.key:
        return
    has = f"the key {dataset.schema.key!r}" if dataset.schema.key else "no key"
    hint = "Import into another dataset: rowmill import FILE --dataset NAME"
    raise UsageError(f"The dataset {dataset.name} has {has}, and that cannot be changed.", hint)


def _check_header(opened: OpenSource, given: Schema, schema: Schema, dataset: Dataset | None) -> None:
    """Refuses a file that lacks the key, a required column, or one that the request itself gives a type, and one
    without any row."""
    reader = opened.reader()
    known = list(dict.fromkeys([*(dataset.columns if dataset else ()), *schema.names]))
    matched = match_headers(reader.columns, known)
    declared = {each.name for each in given.fields}
    needed = [schema.key] if schema.key else []
    needed += [each.name for each in schema.fields if each.required or each.name in declared]
    if opened.format not in ("jsonl", "ndjson"):  # their columns are known at their end only
        check_present(needed, matched, opened.name)
    if next(reader.rows(), None) is None:
        raise InputError(f"{opened.name} has a header and no rows.", "Give a file with at least one row.")


def _fetched(store: Store, request: ImportRequest, tell: Tell) -> str:
    """The path of Rowmill's own copy of what is no path."""
    store.files.mkdir(parents=True, exist_ok=True)
    place = store.files / new_id("in")
    try:
        with place.open("wb") as file:
            put_aside(request.input, file, tell, request.guard)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        place.unlink(missing_ok=True)
        raise
    return str(place)


def _identity(ready: Prepared) -> str:
    whole = ["import", ready.name, ready.source.content_hash, asdict(ready.given)]
    return hashlib.sha256(orjson.dumps(whole)).hexdigest()
