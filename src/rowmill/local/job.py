"""The job that ``rowmill.enrich`` returns, and its results."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from rowmill.client.frames import arrow_reader, pandas_reader, polars_reader
from rowmill.client.jobs import JobSnapshot
from rowmill.client.saving import new_file
from rowmill.core.job import Job
from rowmill.core.ranges import parse_ranges
from rowmill.core.status import RowStatus
from rowmill.jobs import control
from rowmill.jobs.results import Table
from rowmill.jobs.rows import rows_page
from rowmill.jobs.view import job_view, row_view
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from rowmill.local.remedies import REMEDIES, advised
from rowmill.local.run import LocalRun
from rowmill.shapes.rows import Row

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow  # type: ignore[import-untyped]

_PAGE = 500


class LocalResults:
    """The rows of a job as dicts: all input columns, the outputs, ``_status`` and ``_error``. Iterate over it as often
    as you like. It is read from the store each time."""

    def __init__(self, home: Path | None, job: str, only: str | None) -> None:
        self._home = home
        self._job = job
        self._only = only

    def __iter__(self) -> Iterator[dict[str, Any]]:
        rest = b""
        for piece in self._pieces("jsonl"):
            *lines, rest = (rest + piece).split(b"\n")
            yield from map(orjson.loads, lines)

    def to_list(self) -> list[dict[str, Any]]:
        """All rows as dicts."""
        return list(self)

    def to_arrow(self) -> "pyarrow.Table":
        """All rows as an Arrow table. Raises ``UsageError`` if pyarrow is not installed."""
        return arrow_reader()(b"".join(self._pieces("parquet")))

    def to_polars(self) -> "polars.DataFrame":
        """All rows as a polars frame. Raises ``UsageError`` if polars or pyarrow is not installed."""
        return polars_reader()(b"".join(self._pieces("parquet")))

    def to_pandas(self) -> "pandas.DataFrame":
        """All rows as a pandas frame. Raises ``UsageError`` if pandas or pyarrow is not installed."""
        return pandas_reader()(b"".join(self._pieces("parquet")))

    def save(self, path: str | Path, format: str | None = None) -> Path:  # noqa: A002 - the API's word
        """Writes all rows to the file ``path`` in one atomic step. The format defaults to the file's suffix."""
        place = Path(path)
        with new_file(place) as file:
            file.writelines(self._pieces(format or place.suffix.removeprefix(".") or "csv"))
        return place

    def _pieces(self, format_: str) -> Iterator[bytes]:
        with closing(open_store(self._home)) as store:
            yield from Table(store, store.browse.find_job(self._job), self._only, format_).pieces()


@dataclass(frozen=True, eq=False, repr=False)
class LocalJob(JobSnapshot):
    """A job as it stood when ``enrich`` or ``retry`` returned."""

    _home: Path | None = field(kw_only=True)

    _next_step: ClassVar = {
        "pending": "Call enrich again to continue.",
        "running": "Call enrich again to follow it.",
        "paused": "Call enrich again to continue.",
        "failed": "Fix the cause, then call enrich again to continue.",
        "cancelled": "Call enrich with new=True to start over.",
    }

    @classmethod
    def read(cls, store: Store, job: Job, home: str | Path | None) -> "LocalJob":
        """``job`` of the ``store`` in ``home``."""
        place = Path(home).absolute() if home else None
        view = job_view(job, store.clock(), REMEDIES, store.browse.executions(job.pk))
        return cls(**vars(view), _home=place)

    def results(self, *, only: str | None = None) -> LocalResults:
        """The results; ``only`` its ``succeeded``, ``failed`` or ``unprocessed`` rows."""
        return LocalResults(self._home, self.id, only)

    def rows(self, *, status: str | None = None) -> Iterator[Row]:
        """The rows in order with their errors, all or those with this ``status``."""
        with closing(open_store(self._home)) as store:
            job = store.browse.find_job(self.id)
            columns = store.datasets.get(job.dataset).columns
            after = 0
            while page := rows_page(store, job, RowStatus(status) if status else None, after, _PAGE):
                yield from (row_view(row, columns, priced=job.priced) for row in page)
                after = page[-1].number

    @advised()
    def retry(
        self,
        *,
        rows: str | None = None,
        codes: Sequence[str] = (),
        failed_only: bool = False,
        progress: bool = True,
    ) -> "LocalJob":
        """Runs failed rows again, here, and returns the job once it has stopped: all of them, or those in ``rows``
        (``"1-100"``) or with one of the error ``codes``. Of a paused or failed job it also runs the rows that are left,
        unless ``failed_only``."""
        with LocalRun(self._home, progress=progress) as run:
            job = run.store.browse.find_job(self.id)
            ranges = parse_ranges(rows, job.counts.total or 0) if rows else ()

            def begin(reading: object) -> Job:
                control.retry(run.store, job, failed_only=failed_only, codes=codes, ranges=ranges)
                return job

            return LocalJob.read(run.store, run.run(begin), self._home)
