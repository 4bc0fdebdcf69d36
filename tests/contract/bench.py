"""Jobs of a few rows, and an engine's part said line by line."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from rowmill.core.commit import Batch, Chunk, Claim, ControlState, Due, Postponed, Settled, Start, Task
from rowmill.core.job import Attempt, Job, JobDraft, Output, Settings, Step
from rowmill.core.outcome import Usage
from rowmill.core.status import Action, JobStatus, JobType, RowStatus
from rowmill.core.transfer import ExportBatch, ExportSpec, ImportBatch, Position, RejectedLine, Source
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset, Target
from rowmill.tables.schema import Schema

NOW = 1_700_000_000.0
TODAY = "2023-11-14"
JOB_TABLES = ("chunks", "slots", "deferred", "outcomes", "attempts", "selection", "executions", "claims")
COLUMNS = ["id", "name"]

Line = list[Any] | tuple[Any, ...] | str
"""A line of an import: its values, of which the first is the key, or the code with which it is refused."""


class Bench:
    """Rows are started in slots of their own number, so that a test need not keep account of slots."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ledger = store.ledger
        self.control = store.control
        self.browse = store.browse

    def dataset(self, rows: int = 10) -> int:
        datasets = self.store.datasets
        dataset = datasets.begin("reviews.csv", self.store.join(), NOW)
        datasets.add(dataset, 1, [f'["text {number}"]' for number in range(1, rows + 1)])
        datasets.seal(dataset, ["Review"], rows, f"hash of {dataset}")
        return dataset

    def job(self, rows: int = 3, *, dataset: int | None = None, ranges: list[tuple[int, int]] | None = None) -> int:
        return self.submit(dataset or self.dataset(rows), ranges or [(1, rows)])

    def rest(self, origin: Job, status: str) -> int:
        """A new job over the rows that ``origin`` left ``status``."""
        return self.submit(origin.dataset, [], from_job=origin.pk, from_status=status)

    def submit(self, dataset: int, ranges: list[tuple[int, int]], **more: Any) -> int:
        draft = JobDraft(
            type=JobType.ENRICHMENT,
            name="reviews.csv",
            dataset=dataset,
            selection=ranges,
            steps=[Step("python", "python", {}, {"mood": {}})],
            settings=Settings(),
            identity="identity",
            **more,
        )
        return self.control.insert(draft, NOW)

    def claim(self, job: int) -> Claim:
        return self.ledger.claim(job, self.store.join(), NOW)

    def crash(self, claim: Claim) -> None:
        """What the other processes see when the engine's process is killed."""
        self.store.presence.deregister(claim.engine)

    def start(self, claim: Claim, rows: int = 1) -> list[int]:
        """Starts the next ``rows`` untouched rows; returns their numbers."""
        chunk = self.ledger.take_chunk(claim, rows)
        assert chunk
        numbers = list(range(chunk.lo, chunk.hi + 1))
        starts = [Start(number, Task(number)) for number in numbers]
        self.ledger.commit(claim, Batch(starts=starts, chunks=[Chunk(chunk.hi + 1, chunk.hi)]))
        return numbers

    def start_again(self, claim: Claim) -> list[Task]:
        """Starts the rows that earlier claims put off."""
        tasks = [due.task for due in self.ledger.backlog(claim, (-1.0, 0), 100)]
        self.ledger.commit(claim, Batch(starts=[Start(task.number, task) for task in tasks]))
        return tasks

    def settle(self, claim: Claim, *numbers: int, code: str | None = None, value: str = "good") -> None:
        """Ends started rows, well or with the error ``code``."""
        self.ledger.commit(claim, Batch(settled=[settled(n, code, value) for n in numbers], freed=list(numbers)))

    def put_off(self, claim: Claim, number: int) -> None:
        again = Task(number, attempts=1, deferred=True)
        self.ledger.commit(claim, Batch(postponed=[Postponed(Due(NOW + 5, again), attempt("timeout"))], freed=[number]))

    def work(self, claim: Claim, rows: int = 3, failed: tuple[int, ...] = (1,)) -> None:
        """Starts and settles ``rows`` rows; those that are ``failed`` with the code ``bad_request``."""
        numbers = self.start(claim, rows)
        self.settle(claim, *(n for n in numbers if n not in failed))
        self.settle(claim, *(n for n in numbers if n in failed), code="bad_request")

    def completed(self, rows: int = 3, failed: tuple[int, ...] = (1,)) -> int:
        job = self.job(rows)
        claim = self.claim(job)
        self.work(claim, rows, failed)
        assert self.ledger.finish(claim, Action.COMPLETE, NOW)
        return job

    def import_(self, name: str = "people", key: str | None = "id") -> int:
        """A new import into the lasting dataset called ``name``."""
        draft = JobDraft(
            type=JobType.IMPORT,
            name="people.csv",
            dataset=0,
            selection=[],
            steps=[],
            settings=Settings(),
            identity="import",
            source=Source("/people.csv", "csv", "people.csv", "csv:hash"),
        )
        return self.control.insert(draft, NOW, Target(name, Schema(key=key)))

    def bring(self, claim: Claim, *lines: Line, end: bool = False, **more: Any) -> ControlState:
        """Brings in the next lines of the file, with ``end`` its last ones, in one commit."""
        first = self.store.transfers.next_row(claim)
        assert first
        read_to = first + len(lines) - 1
        numbered = dict(enumerate(lines, first))
        return self._bring(claim, numbered, read_to=read_to, total=read_to if end else None, **more)

    def bring_again(self, claim: Claim, lines: Mapping[int, Line], **more: Any) -> ControlState:
        """Brings in lines by their numbers that were refused before."""
        return self._bring(claim, lines, retried=True, **more)

    def imported(self, *batches: Sequence[Line], name: str = "people", key: str | None = "id") -> Job:
        """A completed import of these batches."""
        claim = self.claim(self.import_(name, key))
        for batch in batches[:-1]:
            self.bring(claim, *batch)
        self.bring(claim, *batches[-1], end=True)
        return self.complete(claim)

    def complete(self, claim: Claim) -> Job:
        assert self.ledger.finish(claim, Action.COMPLETE, NOW)
        return self.browse.job(claim.job)

    def people(self, name: str = "people") -> Dataset:
        """The lasting dataset called ``name``."""
        dataset = self.store.datasets.named(name)
        assert dataset
        return dataset

    def values(self, revision: int | None = None, name: str = "people") -> list[list[Any]]:
        """What the dataset's records hold, in order, as of its present or of an earlier revision."""
        dataset = self.people(name)
        lines = self.store.datasets.records(dataset.pk, dataset.revision if revision is None else revision, 0, 10_000)
        assert [number for number, _ in lines] == list(range(1, len(lines) + 1))
        return [orjson.loads(data) for _, data in lines]

    def export(self, dataset: int, rows: int, **more: Any) -> int:
        """A new export of the first ``rows`` records of ``dataset``."""
        draft = JobDraft(
            type=JobType.EXPORT,
            name="people",
            dataset=dataset,
            selection=[(1, rows)],
            steps=[],
            settings=Settings(),
            identity="export",
            output=Output("/out.csv", "csv"),
            **{"extract": ExportSpec([("id", "id")]), **more},
        )
        return self.control.insert(draft, NOW)

    def commit_export_batch(self, claim: Claim, lo: int, hi: int) -> ControlState:
        """Says that rows ``lo`` to ``hi`` are in the file, ten bytes each."""
        return self.store.transfers.commit_export_batch(claim, ExportBatch(lo, hi, Position(after=hi, offset=10 * hi)))

    def status(self, job: int) -> JobStatus:
        return self.browse.job(job).status

    def lines(self, job: int) -> dict[str, list[tuple[Any, ...]]]:
        """All that the store holds of ``job``."""
        read = self.store.database.read
        of_job = {table: read(f"SELECT * FROM {table} WHERE job = ?", (job,)) for table in JOB_TABLES}
        return of_job | {"jobs": read("SELECT * FROM jobs WHERE pk = ?", (job,))}

    def count(self, table: str) -> int:
        return int(self.store.database.read(f"SELECT count(*) FROM {table}")[0][0])

    def _bring(self, claim: Claim, lines: Mapping[int, Line], **more: Any) -> ControlState:
        fitting = {number: line for number, line in lines.items() if not isinstance(line, str)}
        keyed = self.store.datasets.get(self.browse.job(claim.job).dataset).schema.key is not None
        intake = ImportBatch(
            numbers=list(fitting),
            keys=[str(line[0]) for line in fitting.values()] if keyed else [],
            data=[orjson.dumps(line).decode() for line in fitting.values()],
            refused=[
                RejectedLine(number, line, "It does not fit.", {"name": "?"})
                for number, line in lines.items()
                if isinstance(line, str)
            ],
            **{"columns": COLUMNS, **more},
        )
        return self.store.transfers.commit_import_batch(claim, intake, NOW)


def attempt(code: str | None = None, tokens_in: int = 0, tokens_out: int = 0, cost: int = 0) -> Attempt:
    outcome = "failed" if code else "succeeded"
    return Attempt(0, 1, NOW, 0.1, outcome, code, code and "It failed.", Usage(tokens_in, tokens_out), cost)


def settled(number: int, code: str | None = None, value: str = "good") -> Settled:
    if code:
        return Settled(number, RowStatus.FAILED, attempt(code), None)
    return Settled(number, RowStatus.SUCCEEDED, attempt(), {"mood": value})
