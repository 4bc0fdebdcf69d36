"""Resolves an import of a file into a dataset."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from rowmill.core.errors import InputError, UsageError
from rowmill.core.job import JobDraft, Settings
from rowmill.core.status import JobType
from rowmill.core.transfer import Source
from rowmill.db.values import new_id
from rowmill.engine.inputs import result_columns
from rowmill.engine.transfer.importer import Fitter
from rowmill.files.service import format_of, path_of, upload_of
from rowmill.jobs.datasets import check_dataset_name
from rowmill.jobs.spec import DatasetOutput, FileSource, JobSpec, UploadSource
from rowmill.jobs.submit.resolved import Resolved
from rowmill.ledger.files import StoredFile
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset, Target
from rowmill.tables.headers import check_present, match_headers
from rowmill.tables.schema import Schema
from rowmill.tables.source import OpenSource, Tell, check_name, is_url, open_source, put_aside, shown, suffix_format


@dataclass(kw_only=True)
class Import(Resolved):
    """An import whose file is open and whose header fits the dataset called ``into.name``, if there is one. ``schema``
    is the one that the dataset then has."""

    into: Target
    opened: OpenSource
    source: Source
    dataset: Dataset | None
    schema: Schema
    file: str | None
    """The id of the upload that the file is."""

    results: list[str] = field(default_factory=list)
    """Columns that jobs have added to the dataset; they are skipped in the file."""

    def fitter(self) -> Fitter:
        return Fitter(self.schema, self.dataset.columns if self.dataset else (), self.results)

    def draft(self, store: Store) -> JobDraft:
        return JobDraft(
            type=JobType.IMPORT,
            name=self.spec.about.name or Path(self.source.name).name,
            dataset=0,
            selection=[],
            steps=[],
            settings=Settings(),
            identity=self.identity,
            source=self.source,
            file=self.file,
            metadata=self.spec.about.metadata,
            id=self.spec.about.id,
            detached=self.spec.about.detach,
            held=self.spec.about.held,
        )


@contextmanager
def resolve_import(store: Store, spec: JobSpec, progress: Tell) -> Iterator[Import]:
    """Opens the file, which is first fetched if it is at a URL or comes from stdin. Raises ``UsageError`` and
    ``InputError``; nothing is left behind then.

    It is the same as an import that has not ended; without a key column also as one that has: the same lines would
    become records twice."""
    output = spec.output
    assert isinstance(output, DatasetOutput)
    source, upload = _file(store, spec)
    fetched = source.location == "-" or is_url(source.location)
    name = _dataset_name(output, source)
    dataset = store.datasets.named(name)
    given = _keep_types(output, dataset.schema) if dataset else output.schema
    schema = dataset.schema.merged(given) if dataset else given
    if dataset and dataset.schema.key != schema.key:
        has = f"the key {dataset.schema.key!r}" if dataset.schema.key else "no key"
        hint = "Import into another dataset: rowmill import FILE --dataset NAME"
        raise UsageError(f"The dataset {dataset.name} has {has}, and that cannot be changed.", hint)
    format_ = source.format or (suffix_format(source.location, "readers") if source.location != "-" else None)
    path = _fetch(store, source, progress) if fetched else source.location
    job = None
    try:
        with open_source(path, format_, guess=fetched, sha256=upload.sha256 if upload else None) as opened:
            opened.name = source.name or shown(source.location)
            _check_header(opened, given, schema, dataset)
            place = os.path.abspath(path)  # noqa: PTH100 - resolves no links
            job = Import(
                spec=spec,
                output=None,
                sameness=["import", name, opened.content_hash, asdict(given)],
                new=spec.about.new,
                repeats=schema.key is not None,
                into=Target(name, given),
                opened=opened,
                source=Source(place, opened.format, opened.name, opened.content_hash, fetched),
                dataset=dataset,
                schema=schema,
                file=upload.id if upload else None,
                results=result_columns(store, dataset) if dataset else [],
            )
            yield job
    finally:
        if fetched and not (job and job.stored):
            Path(path).unlink(missing_ok=True)


def _file(store: Store, spec: JobSpec) -> tuple[FileSource, StoredFile | None]:
    match spec.source:
        case UploadSource(id_, format_):
            upload = upload_of(store, id_)
            path = str(path_of(store, upload.id))
            return FileSource(path, format_ or format_of(store, upload), upload.name), upload
        case FileSource():
            return spec.source, None
        case _:
            raise TypeError(f"{type(spec.source).__name__} cannot be imported")


def _dataset_name(output: DatasetOutput, source: FileSource) -> str:
    if output.name is not None:
        name = output.name.strip()
    elif source.location == "-":
        raise UsageError("Standard input has no name.", "Name the dataset: --dataset NAME")
    else:
        is_http = source.location.startswith(("http://", "https://"))
        path = urlsplit(source.location).path if is_http else source.location
        check_name(path)
        name = PurePosixPath(source.name or path).stem
    check_dataset_name(name)
    return name


def _keep_types(output: DatasetOutput, known: Schema) -> Schema:
    """The schema that was declared, in which a column that was only declared as required keeps the type it has."""
    types = {field.name: field for field in known.fields}
    spelled = match_headers([field.name for field in output.schema.fields], known.names)
    fields = tuple(
        replace(types[name], required=True) if field.name in output.untyped and name in types else field
        for name, field in zip(spelled, output.schema.fields, strict=True)
    )
    return Schema(fields, output.schema.key)


def _check_header(opened: OpenSource, given: Schema, schema: Schema, dataset: Dataset | None) -> None:
    """Refuses a file that lacks the key, a required column, or one that was given a type, and one without any row."""
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


def _fetch(store: Store, source: FileSource, progress: Tell) -> str:
    """The path of Rowmill's own copy of what is at a URL or comes from stdin."""
    store.files.mkdir(parents=True, exist_ok=True)
    place = store.files / new_id("in")
    try:
        with place.open("wb") as file:
            put_aside(source.location, file, progress, source.guard)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        place.unlink(missing_ok=True)
        raise
    return str(place)
