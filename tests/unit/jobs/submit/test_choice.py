from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.commit import Batch, Chunk, Settled, Start, Task
from rowmill.core.errors import UsageError
from rowmill.core.job import Attempt, JobDraft, Settings, Step
from rowmill.core.status import Action, JobType, RowStatus
from rowmill.engine.inputs import Inputs
from rowmill.jobs.spec import Selection
from rowmill.jobs.submit import choice as module
from rowmill.jobs.submit.choice import Ranges, choose
from rowmill.ledger.store import Store
from tests.support.transfers import load, named

NAMES = ["Ann", "Ben", "Cat", "Dan", "Eve", "Fay"]
MOOD = Step("mood", "python", {}, {"mood": {}}, ["Name"])


@pytest.fixture(autouse=True)
def people(store: Store, engine: str, here: Path) -> Path:
    """Imports six records: a Ann 1, b Ben 2, …"""
    path = here / "people.csv"
    path.write_text("id,Name,Age\n" + "".join(f"{n[0].lower()},{n},{i}\n" for i, n in enumerate(NAMES, 1)))
    load(store, engine, path, key="id")
    return path


def find(store: Store, engine: str, step: Step, *records: int, output: str = "good") -> None:
    """A completed job that has found something for these records."""
    dataset = named(store, "people")
    draft = JobDraft(
        JobType.ENRICHMENT, "people", dataset.pk, [(r, r) for r in records], [step], Settings(), "",
        revision=dataset.revision, result_version=dataset.result_version,
    )  # fmt: skip
    job = store.browse.job(store.control.insert(draft, store.clock()))
    claim = store.ledger.claim(job.pk, engine, store.clock())
    chunk = store.ledger.take_chunk(claim)
    assert chunk
    starts = [Start(number, Task(number)) for number in range(1, chunk.hi + 1)]
    store.ledger.commit(claim, Batch(starts=starts, chunks=[Chunk(chunk.hi + 1, chunk.hi)]))
    inputs = Inputs(store, dataset, [step], dataset.result_version)
    made = Attempt(0, 1, store.clock(), 0.1, "succeeded", None, None)
    values: dict[str, Any] = dict.fromkeys(step.outputs, output)
    done = [
        Settled(item.task.number, RowStatus.SUCCEEDED, made, values, item.record, inputs.hash(item.values))
        for item in inputs.items(job, 1, chunk.hi)
    ]
    store.ledger.commit(claim, Batch(settled=done, freed=[start.slot for start in starts]))
    assert store.ledger.finish(claim, Action.COMPLETE, store.clock())


def chosen(store: Store, *steps: Step, **asked: Any) -> list[int]:
    ranges = choose(store, named(store, "people"), Selection(**asked), steps)
    return [number for first, last in ranges for number in range(first, last + 1)]


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"rows": "2-3,5-"}, [2, 3, 5, 6]),
        ({"keys": ("c", "a", "c")}, [1, 3]),
        ({"where": "Age > 4"}, [5, 6]),
        ({"where": "Name contains 'a'"}, [1, 3, 4, 6]),
        ({"where": "Age > 100"}, []),
        ({"rows": "1-4", "where": "Age > 2"}, [3, 4]),
        ({"rows": "1-4", "keys": ("d", "e")}, [4]),
        ({"keys": ("d", "e"), "where": "Age = 5"}, [5]),
        ({"rows": "1-2", "keys": ("e",)}, []),
    ],
)
@pytest.mark.parametrize("page", [1, 4, 5000])
def test_records_are_chosen_by_all_that_is_asked(
    store: Store, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], numbers: list[int], page: int
) -> None:
    monkeypatch.setattr(module, "_PAGE", page)
    assert chosen(store, MOOD, **asked) == numbers


def test_new_are_records_without_a_result(store: Store, engine: str) -> None:
    assert chosen(store, MOOD, only="new") == [1, 2, 3, 4, 5, 6]
    find(store, engine, MOOD, 1, 2, 4)
    assert chosen(store, MOOD, only="new") == [3, 5, 6]
    assert chosen(store, MOOD, only="new", where="Age < 6") == [3, 5]
    assert chosen(store, MOOD, only="new", rows="1-3") == [3]
    assert chosen(store, MOOD, only="all") == [1, 2, 3, 4, 5, 6]
    find(store, engine, MOOD, 3, 5, 6)
    assert chosen(store, MOOD, only="new") == []


def test_new_looks_at_the_output_columns_and_not_at_who_filled_them(store: Store, engine: str) -> None:
    find(store, engine, MOOD, 1)
    both = Step("both", "python", {}, {"mood": {}, "why": {}}, ["Name"])
    assert chosen(store, both, only="new") == [1, 2, 3, 4, 5, 6]
    find(store, engine, Step("why", "python", {}, {"why": {}}, ["Name"]), 1, 2)
    assert chosen(store, both, only="new") == [2, 3, 4, 5, 6]


def test_changed_are_new_ones_and_those_whose_used_columns_have_changed(
    store: Store, engine: str, people: Path
) -> None:
    find(store, engine, MOOD, 1, 2, 3, 4, 5, 6)
    assert chosen(store, MOOD, only="changed") == []
    people.write_text("id,Name,Age\na,Ann,99\nb,Benjamin,2\ng,Gil,7\n")
    load(store, engine, people)
    assert chosen(store, MOOD, only="changed") == [2, 7]
    assert chosen(store, MOOD, only="new") == [7]
    everything = Step("mood", "python", {}, {"mood": {}}, None)
    assert chosen(store, everything, only="changed") == [1, 2, 3, 4, 5, 6, 7]  # found from other columns
    find(store, engine, MOOD, 2, 7)
    assert chosen(store, MOOD, only="changed") == []


def test_a_value_that_comes_back_is_found_from_it_no_more(store: Store, engine: str, people: Path) -> None:
    find(store, engine, MOOD, 1)
    for name, due in (("Anna", [1]), ("Ann", [1])):
        people.write_text(f"id,Name\na,{name}\n")
        load(store, engine, people)
        if name == "Anna":
            assert chosen(store, MOOD, only="changed", rows="1") == due
            find(store, engine, MOOD, 1)
    assert chosen(store, MOOD, only="changed", rows="1") == [1]


def test_its_own_results_change_nothing_for_a_step_that_uses_all_columns(store: Store, engine: str) -> None:
    everything = Step("mood", "python", {}, {"mood": {}}, None)
    find(store, engine, everything, 1, 2, 3, 4, 5, 6)
    find(store, engine, everything, 1, output="bad")
    assert chosen(store, everything, only="changed") == []


def test_a_condition_may_ask_for_results(store: Store, engine: str) -> None:
    find(store, engine, MOOD, 2, 3)
    find(store, engine, MOOD, 3, output="bad")
    assert chosen(store, MOOD, where="mood = good") == [2]
    assert chosen(store, MOOD, where="mood is empty and Age < 6") == [1, 4, 5]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"rows": "1-7"}, "Row range '1-7' ends after the last row, 6."),
        ({"keys": ("a", "x", "y")}, "people has no record with the key 'x', 'y'."),
        ({"where": "Agge > 1"}, "The condition names the column 'Agge', but there is no such column."),
    ],
)
def test_what_cannot_be_chosen_is_refused(store: Store, asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(store, MOOD, **asked)
    assert caught.value.message == sentence


def test_a_dataset_without_a_key_is_not_chosen_from_by_key(store: Store, engine: str, people: Path) -> None:
    load(store, engine, people, dataset="plain")
    with pytest.raises(UsageError, match="plain has no key column"):
        choose(store, named(store, "plain"), Selection(keys=("a",)), [])


@given(st.sets(st.integers(1, 60)))
def test_ranges_hold_the_numbers_that_were_added_as_few_pairs(numbers: set[int]) -> None:
    ranges = Ranges()
    for number in sorted(numbers):
        ranges.add(number, number)
    pairs = list(ranges)
    assert [n for first, last in pairs for n in range(first, last + 1)] == sorted(numbers)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(pairs))
    assert bool(ranges) == bool(numbers)
