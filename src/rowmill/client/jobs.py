"""Jobs: made, listed, updated, followed; and the handle of one."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import update_wrapper
from pathlib import Path
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeAlias, TypeVar, Unpack, overload
from urllib.parse import quote

import orjson

from rowmill.client.building import build
from rowmill.client.calls import M, Resource, call, stream
from rowmill.client.display import See, display
from rowmill.client.enrichment import Enrichment, Settings, importable, to_document
from rowmill.client.errors import ClientError
from rowmill.client.events import Event, follow, listen
from rowmill.client.exchange import Exchange, Stream, delete, get, items, post, send_json
from rowmill.client.files import upload_table
from rowmill.client.results import Results
from rowmill.client.tables import Table, lines_of
from rowmill.client.transport import Async
from rowmill.core.errors import UsageError
from rowmill.shapes import jobs as shapes
from rowmill.shapes.rows import Row

P = ParamSpec("P")
T = TypeVar("T")

_INLINE = 4 << 20
"""Bytes of rows that go along with a request; more of them are uploaded first."""


class JobStopped(ClientError):
    """The job did not complete, or has failed rows. ``job`` is the job as it stood then."""

    code = "job_stopped"

    def __init__(self, job: "JobSnapshot", message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.job = job


class Jobs(Resource[M]):
    """The jobs of a server or store."""

    @call
    def create(
        self,
        input: Table | None = None,  # noqa: A002 - the word of the command line
        *,
        rows: Iterable[Mapping[str, Any]] | None = None,
        dataset: str | None = None,
        file: str | None = None,
        from_job: str | None = None,
        start: bool = True,
        **options: Unpack[Enrichment],
    ) -> "Exchange[Job[M]]":
        """Makes an enrichment. Its rows are ``input`` (a file's path, dicts, or a frame of polars, pandas or Arrow),
        ``rows``, a ``dataset`` (id or name), an uploaded ``file`` (id), or what the job ``from_job`` left (with
        ``only``). With ``start=False`` it waits for ``start()``. What is done to them: see ``Enrichment``.

        Raises ``UsageError`` and ``ApiError`` for whatever cannot work.
        """
        table = rows if input is None else input
        sources = {"dataset": dataset, "file": file, "from_job": from_job}
        given = {name: value for name, value in sources.items() if value is not None}
        if len(given) + (table is not None) != 1 or (rows is not None and input is not None):
            raise UsageError("A job has one input.", "Give one of input, rows, dataset, file and from_job.")
        document = {**to_document(options, importable).as_json(), **given, "start": start}
        if table is None:
            return (yield from self._posted(document))
        sent = yield from _sent(table)
        try:
            return (yield from self._posted({**document, **sent}))
        finally:
            if "file" in sent:  # the job has taken it in
                with suppress(ClientError):
                    yield from delete(f"/v1/files/{sent['file']}")

    @call
    def submit(self, document: Mapping[str, Any]) -> "Exchange[Job[M]]":
        """Makes a job of any type from the JSON that ``POST /v1/jobs`` takes."""
        return self._posted(document)

    @call
    def get(self, job_id: str) -> "Exchange[Job[M]]":
        """The job as it stands. Raises ``NotFound``."""
        return self._one(get(_path(job_id)))

    @stream
    def list(self, *, status: str | None = None, type: str | None = None) -> "Stream[Job[M]]":  # noqa: A002
        """All jobs, newest first."""
        return items("/v1/jobs", self._job, status=status, type=type)

    @call
    def update(
        self,
        job_id: str,
        *,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        **settings: Unpack[Settings],
    ) -> "Exchange[Job[M]]":
        """Changes a job; one that runs follows at once. A setting given as ``None`` goes back to its default."""
        about = {"name": name, "metadata": metadata}
        change = {**{key: value for key, value in about.items() if value is not None}, **settings}
        return self._one(send_json("PATCH", _path(job_id), change))

    @call
    def delete(self, job_id: str) -> Exchange[None]:
        """Deletes a job that is over, with its rows and results."""
        return delete(_path(job_id))

    @call
    def start(self, job_id: str) -> "Exchange[Job[M]]":
        """Lets a job begin that was made with ``start=False``."""
        return self._steered(job_id, "start")

    @call
    def pause(self, job_id: str) -> "Exchange[Job[M]]":
        """Pauses a job; rows in flight are finished and saved, and it is ``stopping`` meanwhile."""
        return self._steered(job_id, "pause")

    @call
    def resume(self, job_id: str) -> "Exchange[Job[M]]":
        """Goes on with what is left of a paused or failed job."""
        return self._steered(job_id, "resume")

    @call
    def cancel(self, job_id: str) -> "Exchange[Job[M]]":
        """Stops a job for good; what is done is kept."""
        return self._steered(job_id, "cancel")

    @call
    def retry(
        self, job_id: str, *, rows: str | None = None, codes: Sequence[str] | None = None, failed_only: bool = False
    ) -> "Exchange[Job[M]]":
        """Runs failed rows again, or those of them in ``rows`` (``"1-100"``) or with one of the error ``codes``; of a
        paused or failed job also what is left, unless ``failed_only``."""
        asked = {"rows": rows, "codes": codes if codes is None else [*codes], "failed_only": failed_only}
        return self._steered(job_id, "retry", asked)

    @call
    def dismiss(self, job_id: str) -> "Exchange[Job[M]]":
        """Says that the failed rows of a completed job need no attention."""
        return self._steered(job_id, "dismiss")

    @stream
    def rows(self, job_id: str, *, status: str | None = None, after: int = 0) -> Stream[Row]:
        """The rows of a job by number, from behind the number ``after``."""
        return items(f"{_path(job_id)}/rows", lambda data: build(Row, data), status=status, after=after)

    @call
    def row(self, job_id: str, number: int) -> Exchange[Row]:
        """One row with all its attempts. Raises ``NotFound``."""
        return build(Row, (yield from get(f"{_path(job_id)}/rows/{number}")))

    @stream
    def events(self, job_id: str) -> Stream[Event]:
        """What happens to a job, as it happens, until it is over."""
        return listen(f"{_path(job_id)}/events")

    def results(self, job_id: str, *, only: str | None = None) -> Results[M]:
        """What a job has found; ``only`` its ``succeeded``, ``failed`` or ``unprocessed`` rows."""
        return Results(self._transport, f"{_path(job_id)}/results", only)

    @call
    def wait(self, job_id: str, timeout: float | None = None, *, check: bool = False) -> "Exchange[Job[M]]":
        """Waits until the job is completed, failed, paused or cancelled, and returns it. Keeps waiting while the server
        restarts. With ``check`` it raises ``JobStopped`` unless the job completed without a failed row. Raises
        ``WaitTimeout`` after ``timeout`` seconds; the job keeps running."""
        return self._followed(job_id, timeout, check, nullcontext(_ignore))

    @call
    def watch(self, job_id: str, timeout: float | None = None, *, check: bool = False) -> "Exchange[Job[M]]":
        """Like ``wait``, and shows on stderr how far the job is: a bar on a terminal or in a notebook, elsewhere a
        line every half minute. Ctrl-C ends the watching, not the job."""
        return self._followed(job_id, timeout, check, display())

    def _followed(
        self, job_id: str, timeout: float | None, check: bool, shown: AbstractContextManager[See]
    ) -> "Exchange[Job[M]]":
        with shown as see:
            job = self._job((yield from follow(_path(job_id), timeout, see)))
        if check:
            job.check()
        return job

    def _steered(self, job_id: str, what: str, body: object = None) -> "Exchange[Job[M]]":
        return self._one(post(f"{_path(job_id)}/{what}", body))

    def _posted(self, document: Mapping[str, Any]) -> "Exchange[Job[M]]":
        return self._one(post("/v1/jobs", document, creates=True))

    def _one(self, steps: Exchange[Any]) -> "Exchange[Job[M]]":
        return self._job((yield from steps))

    def _job(self, data: Mapping[str, Any]) -> "Job[M]":
        job: Job[Any] = build(Job, data, _transport=self._transport)
        return job


@overload
def own(of_jobs: call[Concatenate[str, P], T]) -> call[P, T]: ...
@overload
def own(of_jobs: stream[Concatenate[str, P], T]) -> stream[P, T]: ...
def own(of_jobs: Any) -> Any:
    """A method of ``Jobs`` as one of the job itself, without the parameter ``job_id``."""

    def method(job: "Job[Any]", *args: Any, **kwargs: Any) -> Any:
        return of_jobs.function(Jobs(job._transport), job.id, *args, **kwargs)

    return type(of_jobs)(update_wrapper(method, of_jobs.function))


@dataclass(frozen=True, eq=False, repr=False)
class JobSnapshot(shapes.Job):
    """A job as it stood at one moment."""

    _next_step: ClassVar[Mapping[str, str]] = {
        "pending": "job.wait() waits until it stops.",
        "running": "job.wait() waits until it stops.",
        "paused": "job.resume() continues it.",
        "failed": "Fix the cause; job.resume() then continues it.",
        "cancelled": "It was stopped for good: create a new job for the remaining rows.",
    }
    """What to do about a job that has not completed, by status."""

    def __repr__(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        return f"<Job {self.id}: {self.type}, {self.status}, {self.processed:,}{of} rows, {self.failed:,} failed>"

    def check(self) -> None:
        """Raises ``JobStopped`` unless the job completed without a failed row."""
        if self.status != "completed":
            if self.error is not None:
                raise JobStopped(self, f"{self.id} is {self.status}: {self.error.message}", self.error.hint)
            because = f" ({self.pause_reason})" if self.pause_reason else ""
            raise JobStopped(self, f"{self.id} is {self.status}{because}.", self._next_step[self.status])
        if self.failed:
            further = "fix them, and import them again" if self.type == "import" else "job.retry() runs them again"
            hint = f"job.rows(status='failed') shows why; {further}."
            raise JobStopped(self, f"{self.failed:,} of {self.total:,} rows of {self.id} failed.", hint)


@dataclass(frozen=True, eq=False, repr=False)
class Job(JobSnapshot, Resource[M]):
    """A job as it stood when it was fetched. Its methods return it as it stands after them: ``job = job.pause()``."""

    _transport: M = field(kw_only=True)

    refresh = own(Jobs[M].get)
    update = own(Jobs[M].update)
    start = own(Jobs[M].start)
    pause = own(Jobs[M].pause)
    resume = own(Jobs[M].resume)
    cancel = own(Jobs[M].cancel)
    retry = own(Jobs[M].retry)
    dismiss = own(Jobs[M].dismiss)
    wait = own(Jobs[M].wait)
    watch = own(Jobs[M].watch)
    delete = own(Jobs[M].delete)
    rows = own(Jobs[M].rows)
    row = own(Jobs[M].row)
    events = own(Jobs[M].events)

    def results(self, *, only: str | None = None) -> Results[M]:
        """What it has found; ``only`` its ``succeeded``, ``failed`` or ``unprocessed`` rows."""
        return Jobs(self._transport).results(self.id, only=only)


AsyncJob: TypeAlias = Job[Async]


def _path(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"


def _ignore(job: Mapping[str, Any]) -> None:
    """Shows nothing."""


def _sent(table: Table) -> Exchange[dict[str, Any]]:
    """How the request names the rows of ``table``: few go along with it, a file or many are uploaded first."""
    if isinstance(table, str | Path):
        return {"file": (yield from upload_table(table)).id}
    lines = lines_of(table)
    try:
        if lines.path.stat().st_size > _INLINE:
            return {"file": (yield from upload_table(lines.path, "rows.jsonl")).id}
        whole = b",".join(lines.path.read_bytes().splitlines())
        return {"rows": orjson.Fragment(b"[" + whole + b"]")}
    finally:
        lines.close()
