"""Datasets: lasting tables, filled by imports and written out by exports."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rowmill.client.building import build
from rowmill.client.calls import M, Resource, call, stream
from rowmill.client.errors import ClientError
from rowmill.client.exchange import Exchange, Stream, delete, get, items, post
from rowmill.client.files import Files, fetch, upload_table
from rowmill.client.jobs import Job, Jobs
from rowmill.client.tables import Table
from rowmill.core.errors import UsageError
from rowmill.shapes.datasets import Dataset, Record, RecordHistory
from rowmill.tables.schema import parse_fields


class Datasets(Resource[M]):
    """The datasets of a server or store. Where one is asked for, its id or its name will do."""

    @call
    def create(
        self, name: str, *, key: str | None = None, fields: Iterable[str] = (), required: Iterable[str] = ()
    ) -> Exchange[Dataset]:
        """Makes an empty dataset. ``key`` is the column that tells one record from another; ``fields`` say what columns
        hold, as ``"price: number"`` or ``"grade: a | b"``."""
        body = _given(name=name, key=key, fields=_fields(fields, required))
        return build(Dataset, (yield from post("/v1/datasets", body, creates=True)))

    @stream
    def list(self) -> Stream[Dataset]:
        """All datasets."""
        return items("/v1/datasets", lambda data: build(Dataset, data))

    @call
    def get(self, dataset: str) -> Exchange[Dataset]:
        """A dataset as it stands. Raises ``NotFound``."""
        return build(Dataset, (yield from get(_path(dataset))))

    @call
    def delete(self, dataset: str, *, with_jobs: bool = False) -> Exchange[None]:
        """Deletes a dataset with its imports and exports; ``with_jobs`` also its enrichments with their results."""
        return delete(_path(dataset), with_jobs=with_jobs)

    @call
    def profile(self, dataset: str) -> Exchange[dict[str, Any]]:
        """What its columns hold."""
        return get(f"{_path(dataset)}/profile")

    @stream
    def records(self, dataset: str, *, where: str | None = None) -> Stream[Record]:
        """Its records in their order, with what jobs have found for them; ``where`` a condition holds."""
        return items(f"{_path(dataset)}/records", lambda data: build(Record, data), where=where)

    @call
    def record(self, dataset: str, number: int) -> Exchange[RecordHistory]:
        """One record with its versions and what jobs have found for it. Raises ``NotFound``."""
        return build(RecordHistory, (yield from get(f"{_path(dataset)}/records/{number}")))

    @call
    def import_(
        self,
        table: Table,
        dataset: str | None = None,
        *,
        key: str | None = None,
        fields: Iterable[str] = (),
        required: Iterable[str] = (),
        format: str | None = None,  # noqa: A002 - the API's word
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Exchange[Job[M]]:
        """Uploads ``table`` (a path, bytes, an open binary file, dicts, or a frame of polars, pandas or Arrow) and
        makes the job that takes it into ``dataset``, which is made where there is none. With a ``key``, records that
        are there are updated."""
        file = yield from upload_table(table)
        document = _given(
            type="import",
            file=file.id,
            dataset=dataset,
            key=key,
            fields=_fields(fields, required),
            format=format,
            name=name,
            metadata=metadata,
        )
        try:
            return (yield from Jobs[M].submit.function(Jobs(self._transport), document))
        except ClientError:  # no job needs the upload
            with suppress(ClientError):
                yield from Files.delete.function(Files(self._transport), file.id)
            raise

    @call
    def export(
        self,
        dataset: str,
        path: str | Path,
        *,
        format: str | None = None,  # noqa: A002 - the API's word
        columns: Sequence[str] | Mapping[str, str] | None = None,
        where: str | None = None,
        select: str | None = None,
    ) -> Exchange[Path]:
        """Writes a dataset to the file ``path`` by an export job, and waits for that; the format is told by the suffix.
        ``columns`` are those to write, as a mapping each with its name there. Raises ``JobStopped``."""
        place = Path(path)
        if columns is not None and not isinstance(columns, Mapping):
            columns = {column: column for column in columns}
        document = _given(
            type="export",
            dataset=dataset,
            format=format or place.suffix.removeprefix(".") or None,
            columns=[{"column": column, "name": name} for column, name in (columns or {}).items()],
            where=where,
            select=select,
        )
        jobs: Jobs[M] = Jobs(self._transport)
        job = yield from Jobs[M].submit.function(jobs, document)
        job = yield from Jobs[M].wait.function(jobs, job.id)
        if job.status != "completed" or job.file is None:
            job.check()
            raise UsageError(f"{job.id} made no download.", "See what it wrote to: job.output")
        yield from fetch(job.file, place)
        return place


def _fields(columns: Iterable[str], required: Iterable[str]) -> list[dict[str, Any]]:
    return parse_fields(columns, required, None).as_json()["fields"]  # type: ignore[no-any-return]


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _path(dataset: str) -> str:
    return f"/v1/datasets/{quote(dataset, safe='')}"
