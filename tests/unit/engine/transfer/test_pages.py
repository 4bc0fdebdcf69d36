from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from rowmill.core.commit import Batch, Chunk, Claim, Settled, Start, Task
from rowmill.core.job import Attempt, Job, JobDraft, Output, Settings, Step
from rowmill.core.status import Action, JobType, RowStatus
from rowmill.core.transfer import ExportSpec, ImportBatch, RejectedLine, Source
from rowmill.engine.transfer import pages
from rowmill.engine.transfer.pages import Page, origin_pages, record_pages
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Target
from rowmill.tables.schema import Schema
from rowmill.testing.simulation import EPOCH
from tests.support.engine import job_of, now

COLUMNS = ["n", "mood", "_status", "_error"]


def extract(job: Job, columns: list[str], only: str | None = None) -> ExportSpec:
    return ExportSpec([(name, name) for name in columns], job.pk, job.id, job.seq, only)


def lines(found: Iterator[Page]) -> list[list[Any]]:
    return [list(line) for _, page in found for line in page]


def begin(store: Store, job: Job, starting: int) -> Claim:
    """Claims ``job`` and starts its first rows."""
    claim = store.ledger.claim(job.pk, store.join(), EPOCH)
    chunk = store.ledger.take_chunk(claim)
    assert chunk
    starts = [Start(number, Task(number)) for number in range(1, starting + 1)]
    store.ledger.commit(claim, Batch(starts=starts, chunks=[Chunk(starting + 1, chunk.hi)]))
    return claim


def settle(store: Store, claim: Claim, moods: dict[int, str | None], record: int | None = None) -> None:
    """Ends started rows with a mood, or as failed."""
    good = Attempt(0, 1, EPOCH, 0.1, "succeeded", None, None)
    bad = Attempt(0, 1, EPOCH, 0.1, "failed", "refused", "It was refused.")
    done = [
        Settled(number, RowStatus.SUCCEEDED, good, {"mood": mood}, record)
        if mood
        else Settled(number, RowStatus.FAILED, bad, None, record)
        for number, mood in moods.items()
    ]
    store.ledger.commit(claim, Batch(settled=done, freed=list(moods)))


@pytest.fixture
def job(store: Store) -> Job:
    """Of five rows: the first succeeded, the second failed, the others are left."""
    made = store.browse.job(job_of(store, 5).pk)
    claim = begin(store, made, 2)
    settle(store, claim, {1: "good", 2: None})
    return now(store, made)


GOOD = [1, "good", "succeeded", None]
BAD = [2, None, "failed", "refused: It was refused."]
LEFT = [[3, None, "pending", None], [4, None, "pending", None], [5, None, "pending", None]]


@pytest.mark.parametrize("page", [1, 2, 5000])
@pytest.mark.parametrize(
    ("only", "expected"),
    [(None, [GOOD, BAD, *LEFT]), ("succeeded", [GOOD]), ("failed", [BAD]), ("unprocessed", LEFT)],
)
def test_rows_of_a_job_are_taken_by_how_they_stand(
    store: Store, job: Job, monkeypatch: pytest.MonkeyPatch, only: str | None, expected: list[Any], page: int
) -> None:
    monkeypatch.setattr(pages, "_PAGE", page)
    found = list(origin_pages(store, job, extract(job, COLUMNS, only), 0))
    assert lines(iter(found)) == expected
    assert [last for last, _ in found][-1] == 5


def test_a_row_in_flight_is_left_too(store: Store) -> None:
    made = job_of(store, 2)
    begin(store, made, 1)
    assert [line[0] for line in lines(origin_pages(store, made, extract(made, COLUMNS, "unprocessed"), 0))] == [1, 2]


def test_reading_goes_on_behind_a_row(store: Store, job: Job) -> None:
    assert lines(origin_pages(store, job, extract(job, ["n", "_row"]), 3)) == [[4, 4], [5, 5]]
    assert list(origin_pages(store, job, extract(job, ["n"]), 5)) == []


def test_rows_are_those_of_the_moment_that_was_pinned(store: Store, job: Job) -> None:
    pinned = extract(job, COLUMNS)
    before = lines(origin_pages(store, job, pinned, 0))
    store.control.take_over(job.pk, EPOCH)
    store.control.pause(job.pk, EPOCH)
    store.control.retry(job.pk, EPOCH)
    later = now(store, job)
    assert lines(origin_pages(store, later, pinned, 0)) == before
    assert lines(origin_pages(store, later, extract(later, COLUMNS), 0))[1] == [2, None, "pending", None]


def test_columns_are_chosen_and_put_in_order(store: Store, job: Job) -> None:
    assert lines(origin_pages(store, job, extract(job, ["_row", "mood", "n"], "succeeded"), 0)) == [[1, "good", 1]]


def test_what_a_job_adds_takes_the_place_of_columns_that_its_table_has(store: Store) -> None:
    job = store.browse.job(_over(store, {"n": 1, "mood": "old", "_status": "old", "_error": "old"}).pk)
    settle(store, begin(store, job, 1), {1: "good"})
    job = now(store, job)
    assert lines(origin_pages(store, job, extract(job, COLUMNS), 0)) == [GOOD]


def _over(store: Store, row: dict[str, Any]) -> Job:
    """A job over one row whose step fills ``mood``."""
    dataset = store.datasets.begin("table", "nobody", EPOCH)
    store.datasets.add(dataset, 1, [_json(list(row.values()))])
    store.datasets.seal(dataset, list(row), 1, "csv:1")
    step = Step("mood", "python", {}, {"mood": {}})
    draft = JobDraft(JobType.ENRICHMENT, "table", dataset, [(1, 1)], [step], Settings(), "")
    return store.browse.job(store.control.insert(draft, EPOCH))


@pytest.fixture
def people(store: Store) -> int:
    """A lasting dataset: Ann, Ben without an age, and a line that was refused."""
    claim = _importing(store)
    data = [_json(["a", "Ann", 30]), _json(["b", "Ben"])]
    refused = [RejectedLine(2, "missing", "There is none.", {"id": "x", "Other": 1})]
    intake = ImportBatch([1, 3], [], data, refused, ["id", "Name", "Age"], read_to=3, total=3)
    store.transfers.commit_import_batch(claim, intake, EPOCH)
    store.ledger.finish(claim, Action.COMPLETE, EPOCH)
    return store.browse.job(claim.job).dataset


def _importing(store: Store) -> Claim:
    draft = JobDraft(
        JobType.IMPORT, "people", 0, [], [], Settings(), "", source=Source("/p.csv", "csv", "p.csv", "csv:1")
    )
    return store.ledger.claim(store.control.insert(draft, EPOCH, Target("people", Schema())), store.join(), EPOCH)


def _json(values: list[Any]) -> str:
    return orjson.dumps(values).decode()


def _export(store: Store, dataset: int, columns: list[str], *ranges: tuple[int, int]) -> tuple[Job, ExportSpec]:
    """An export of records as they stand now."""
    seen = store.datasets.get(dataset)
    chosen = ExportSpec([(name, name.upper()) for name in columns])
    draft = JobDraft(
        JobType.EXPORT, "people", dataset, ranges or [(1, seen.rows)], [], Settings(), "",
        output=Output("/out.csv", "csv"), extract=chosen, revision=seen.revision, result_version=seen.result_version,
    )  # fmt: skip
    return store.browse.job(store.control.insert(draft, EPOCH)), chosen


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "Name", "Age"], [["a", "Ann", 30], ["b", "Ben", None]]),
        (["Age"], [[30], [None]]),
        (["Age", "id"], [[30, "a"], [None, "b"]]),
        (["id", "id"], [["a", "a"], ["b", "b"]]),
    ],
)
@pytest.mark.parametrize("page", [1, 5000])
def test_records_have_the_chosen_columns(
    store: Store, people: int, monkeypatch: pytest.MonkeyPatch, columns: list[str], expected: list[Any], page: int
) -> None:
    monkeypatch.setattr(pages, "_PAGE", page)
    job, chosen = _export(store, people, columns)
    assert lines(record_pages(store, job, chosen, 0)) == expected
    assert lines(record_pages(store, job, chosen, 1)) == expected[1:]


def test_records_are_those_of_the_moment_at_which_the_export_was_made(store: Store, people: int) -> None:
    step = Step("mood", "python", {}, {"mood": {}})

    def find(mood: str) -> None:
        draft = JobDraft(JobType.ENRICHMENT, "people", people, [(2, 2)], [step], Settings(), "")
        made = store.browse.job(store.control.insert(draft, EPOCH))
        settle(store, begin(store, made, 1), {1: mood}, record=2)

    find("good")
    early, chosen = _export(store, people, ["id", "mood"])
    find("bad")
    claim = _importing(store)
    added = ImportBatch([1], [], [_json(["c", "Cat"])], [], ["id", "Name", "Age"], read_to=1, total=1)
    store.transfers.commit_import_batch(claim, added, EPOCH)
    store.ledger.finish(claim, Action.COMPLETE, EPOCH)
    late, _ = _export(store, people, ["id", "mood"])
    some, _ = _export(store, people, ["id", "mood"], (3, 3), (1, 1))
    assert lines(record_pages(store, early, chosen, 0)) == [["a", None], ["b", "good"]]
    assert lines(record_pages(store, late, chosen, 0)) == [["a", None], ["b", "bad"], ["c", None]]
    assert lines(record_pages(store, some, chosen, 0)) == [["c", None], ["a", None]]


def test_refused_lines_of_an_import_come_with_what_was_read_of_them(store: Store, people: int) -> None:
    (job,) = store.browse.jobs(type_=JobType.IMPORT)
    taken = extract(job, ["_row", "id", "Other", "Name", "_error"], "failed")
    assert lines(origin_pages(store, job, taken, 0)) == [[2, "x", 1, None, "missing: There is none."]]
