from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.commit import Batch, Chunk, Settled, Start, Task
from rowmill.core.job import Attempt, Job, JobDraft, Settings, Step
from rowmill.core.status import Action, JobType, RowStatus
from rowmill.core.transfer import ImportBatch, Source
from rowmill.engine.inputs import Inputs, used_columns
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset, Target
from rowmill.tables.schema import Schema
from rowmill.testing.simulation import EPOCH
from tests.support.engine import job_of


def step(inputs: list[str] | None, *outputs: str) -> Step:
    return Step("step", "python", {}, {name: {} for name in outputs}, inputs)


def hashing(*steps: Step, columns: tuple[str, ...] = ("a", "b", "c")) -> Inputs:
    """Needs no store: a hash is of values alone."""
    dataset = Dataset(1, "ds_1", "people", True, list(columns), 0, 1, 0, Schema(), None, 0.0)
    return Inputs(None, dataset, steps, 0)  # type: ignore[arg-type]


values = st.dictionaries(st.sampled_from("abcdef"), st.none() | st.text() | st.integers(-(2**63), 2**63 - 1))


@given(values)
def test_a_hash_has_64_bits_and_means_no_order(seen: dict[str, Any]) -> None:
    inputs = hashing(step(None))
    found = inputs.hash(seen)
    assert -(2**63) <= found < 2**63
    assert inputs.hash(dict(reversed(seen.items()))) == found


@given(values)
def test_an_empty_column_means_nothing(seen: dict[str, Any]) -> None:
    inputs = hashing(step(None))
    filled = {name: value for name, value in seen.items() if value is not None}
    assert inputs.hash(seen) == inputs.hash(filled) == inputs.hash(filled | {"new": None})


@given(values, values)
def test_columns_that_are_not_used_do_not_count(seen: dict[str, Any], other: dict[str, Any]) -> None:
    inputs = hashing(step(["a", "b"]))
    used = {name: seen[name] for name in "ab" if name in seen}
    rest = {name: value for name, value in other.items() if name not in "ab"}
    assert inputs.hash(seen) == inputs.hash(used) == inputs.hash(rest | used)


@given(values, values)
def test_a_steps_own_outputs_do_not_count(seen: dict[str, Any], other: dict[str, Any]) -> None:
    inputs = hashing(step(None, "e", "f"))
    outputs = {name: other.get(name) for name in "ef"}
    assert inputs.hash(seen | outputs) == inputs.hash({k: v for k, v in seen.items() if k not in "ef"})


@given(values, st.sampled_from("ab"), st.text(min_size=1))
def test_a_used_column_that_changes_changes_the_hash(seen: dict[str, Any], name: str, suffix: str) -> None:
    inputs = hashing(step(["a", "b"]))
    changed = seen | {name: f"{seen.get(name)}{suffix}"}
    assert inputs.hash(seen) != inputs.hash(changed)


def test_an_output_that_takes_the_place_of_a_source_column_counts() -> None:
    inputs = hashing(step(None, "a"))
    assert inputs.hash({"a": "1"}) != inputs.hash({"a": "2"})


def test_neither_types_nor_columns_are_mixed_up() -> None:
    inputs = hashing(step(None))
    different: list[dict[str, Any]] = [{"a": 1}, {"a": "1"}, {"b": 1}, {"a": True}, {"a": ""}, {"a": "x", "b": "y"}, {}]
    assert len({inputs.hash(each) for each in different}) == len(different)


@pytest.mark.parametrize(
    ("steps", "used"),
    [
        ([step(["a", "b"], "x")], ["a", "b"]),
        ([step(["a"], "x"), step(["x", "b", "a"], "y")], ["a", "b"]),
        ([step(["x"], "x"), step(["x"], "y")], ["x"]),
        ([step(["a"], "x"), step(None, "y")], None),
        ([], []),
    ],
)
def test_what_later_steps_take_from_earlier_ones_is_not_taken_from_the_dataset(
    steps: list[Step], used: list[str] | None
) -> None:
    assert used_columns(steps) == used


@pytest.fixture
def people(store: Store) -> Dataset:
    """A lasting dataset of Ann and Ben, for which a job has found a mood of record 2."""
    source = Source("/people.csv", "csv", "people.csv", "csv:1")
    draft = JobDraft(JobType.IMPORT, "people", 0, [], [], Settings(), "", source=source)
    importing = store.ledger.claim(store.control.insert(draft, EPOCH, Target("people", Schema())), store.join(), EPOCH)
    lines = ['["a","Ann"]', '["b"]']
    intake = ImportBatch(numbers=[1, 2], data=lines, columns=["id", "Name"], read_to=2, total=2)
    store.transfers.commit_import_batch(importing, intake, EPOCH)
    store.ledger.finish(importing, Action.COMPLETE, EPOCH)
    made = store.datasets.named("people")
    assert made
    finding = JobDraft(JobType.ENRICHMENT, "people", made.pk, [(2, 2)], [step(None, "mood")], Settings(), "")
    claim = store.ledger.claim(store.control.insert(finding, EPOCH), store.join(), EPOCH)
    assert store.ledger.take_chunk(claim)
    store.ledger.commit(claim, Batch(starts=[Start(1, Task(1))], chunks=[Chunk(2, 1)]))
    made_well = Attempt(0, 1, EPOCH, 0.1, "succeeded", None, None)
    found = Settled(1, RowStatus.SUCCEEDED, made_well, {"mood": "good", "Name": "never"}, 2, 7)
    store.ledger.commit(claim, Batch(settled=[found], freed=[1]))
    return store.datasets.get(made.pk)


ROWS = [(1, ["a", "Ann"]), (2, ["b"])]


def seen(store: Store, people: Dataset, *steps: Step, result_version: int = 1) -> list[dict[str, Any]]:
    return Inputs(store, people, steps, result_version).values(ROWS)


def test_a_step_sees_results_that_stood_when_its_job_was_made(store: Store, people: Dataset) -> None:
    plain: list[dict[str, Any]] = [{"id": "a", "Name": "Ann"}, {"id": "b", "Name": None}]
    assert seen(store, people, step(["id", "mood"], "x")) == [plain[0], {**plain[1], "mood": "good"}]
    assert seen(store, people, step(None, "x")) == [plain[0], {**plain[1], "mood": "good"}]
    assert seen(store, people, step(None, "x"), result_version=0) == plain


def test_a_step_never_sees_its_own_earlier_results(store: Store, people: Dataset) -> None:
    assert seen(store, people, step(None, "mood"))[1] == {"id": "b", "Name": None}


def test_a_result_never_takes_the_place_of_a_source_value(store: Store, people: Dataset) -> None:
    assert seen(store, people, step(None, "x"))[1]["Name"] is None


def test_rows_of_a_lasting_dataset_know_their_record(store: Store, people: Dataset) -> None:
    draft = JobDraft(JobType.ENRICHMENT, "people", people.pk, [(2, 2)], [step(None, "x")], Settings(), "")
    job: Job = store.browse.job(store.control.insert(draft, EPOCH))
    (item,) = Inputs(store, people, job.steps, 1).items(job, 1, 1)
    assert (item.task.number, item.record, item.values["id"]) == (1, 2, "b")


def test_rows_of_a_jobs_own_table_have_none(store: Store) -> None:
    job = job_of(store, 2)
    items = Inputs(store, store.datasets.get(job.dataset), job.steps, 0).items(job, 1, 2)
    assert [(item.record, item.values) for item in items] == [(None, {"n": 1}), (None, {"n": 2})]
