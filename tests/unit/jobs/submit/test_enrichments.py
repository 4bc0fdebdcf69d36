from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rowmill.cli.remedies import REMEDIES
from rowmill.cli.specs import run_spec
from rowmill.core.errors import NotFound, RowmillError, UsageError
from rowmill.core.job import Settings
from rowmill.core.money import Price
from rowmill.core.status import Action, JobStatus
from rowmill.jobs.submit.submit import Submission, submit
from rowmill.ledger.store import Store
from tests.support.transfers import load
from tests.support.work import ASK, begin, complete, find, make, settle

PROMPT: dict[str, Any] = {
    "prompt": "Judge {{Review}}",
    "model": "openai/gpt-4o-mini",
    "columns": ("mood: good | bad",),
}
Submit = Callable[..., Submission]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for the model of ``PROMPT``, which nothing here calls."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobodys")
    monkeypatch.setenv("MY_KEY", "sk-nobodys")


@pytest.fixture
def run(store: Store, engine: str, reviews: Path) -> Submit:
    """``rowmill run reviews.csv`` with what is asked for besides."""

    def run(options: dict[str, Any] = ASK, **asked: Any) -> Submission:
        return submit(store, engine, run_spec(**{"input_": "reviews.csv", **options, **asked}))

    return run


def test_a_run_is_a_pending_job_over_all_rows(run: Submit) -> None:
    submission = run()
    job = submission.job
    assert not submission.found
    assert (job.status, job.name, job.counts.total, job.columns) == (JobStatus.PENDING, "reviews.csv", 4, ["mood"])
    assert job.settings == Settings()


def test_the_same_run_again_is_the_same_job_steered(run: Submit) -> None:
    first = run(concurrency=7)
    again = run(rpm=600, name="another name")
    assert again.found
    assert again.job.id == first.job.id
    assert again.job.settings == Settings(concurrency=7, rpm=600)


def test_a_budget_steers_only_a_run_whose_price_is_known(run: Submit) -> None:
    assert not run(PROMPT).found
    assert run(PROMPT, budget=Decimal("5.00")).job.settings.budget == 5_000_000_000
    run()
    with pytest.raises(UsageError, match="without a known price"):
        run(budget=Decimal("5.00"))


def test_a_completed_run_is_found_and_a_cancelled_one_is_not(run: Submit, store: Store, engine: str) -> None:
    first = run().job
    complete(store, engine, first, dict.fromkeys(range(1, 5), "good"))
    again = run()
    assert (again.found, again.job.pk) == (True, first.pk)
    other = run(rows="1-2").job
    store.control.cancel(other.pk, store.clock())
    assert not run(rows="1-2").found


@pytest.mark.parametrize(
    "changed",
    [
        {"rows": "1-3"},
        {"columns": ("mood: good | bad", "why")},
        {"processor": "tests.support.work:begin"},
        {"output": "out.csv"},
        {"new": True},
    ],
)
def test_anything_else_is_another_job(run: Submit, changed: dict[str, Any]) -> None:
    first = run().job
    other = run(**changed)
    assert not other.found
    assert other.job.pk != first.pk


@pytest.mark.parametrize(
    "changed",
    [{"prompt": "Rate {{Review}}"}, {"model": "openai/gpt-4o"}, {"system": "Be brief."}, {"base_url": "http://h/v1"}],
)
def test_another_prompt_or_model_is_another_job(run: Submit, changed: dict[str, Any]) -> None:
    assert not run(PROMPT).found
    assert run(PROMPT, timeout=Decimal(5), api_key_env="MY_KEY").found
    assert not run(PROMPT, **changed).found


def test_changed_content_is_another_job_and_the_path_means_nothing(run: Submit, reviews: Path) -> None:
    first = run().job
    assert run(input_=str(reviews.rename("moved.csv"))).job.pk == first.pk
    Path("moved.csv").write_text("id,Review\n1,changed\n")
    assert not run(input_="moved.csv").found


def test_the_input_may_change_or_vanish_afterwards(run: Submit, store: Store, reviews: Path) -> None:
    job = run().job
    reviews.unlink()
    assert store.browse.rows(job.pk, 2, 2)[0].values == ["2", "bad"]


def test_rows_can_be_chosen(run: Submit, store: Store) -> None:
    job = run(rows="4,1-2").job
    assert job.counts.total == 3
    assert [record for _, record, _ in store.browse.records(job.pk, 1, 9)] == [1, 2, 4]


def test_a_job_stores_absolute_paths(run: Submit, here: Path) -> None:
    job = run(output="out.jsonl").job
    assert job.output
    assert (job.output.path, job.output.format) == (str(here / "out.jsonl"), "jsonl")


@pytest.mark.parametrize(
    ("options", "asked", "sentence"),
    [
        (ASK, {"input_": None}, "There is no input."),
        (ASK, {"input_": "missing.csv"}, "missing.csv cannot be read: No such file or directory."),
        (ASK, {"rows": "1-5"}, "Row range '1-5' ends after the last row, 4."),
        (ASK, {"columns": ("mood: god", "x")}, "The column 'mood' has the unknown type 'god'."),
        (ASK, {"columns": ("Review",)}, "The input already has a column 'Review'."),
        (ASK, {"prompt": "Judge."}, "--processor does without --prompt, --model and others of its kind."),
        (ASK, {"processor": None}, "There is nothing to do with the rows."),
        (ASK, {"output": "taken.csv"}, "{here}/taken.csv exists already."),
        (ASK, {"output": "nowhere/out.csv"}, "There is no directory {here}/nowhere."),
        (ASK, {"output": "out.doc"}, "The suffix .doc of out.doc does not name an output format."),
        (PROMPT, {"model": None}, "There is no model."),
        (PROMPT, {"model": "gpt-4o"}, "'gpt-4o' names no provider."),
        (PROMPT, {"model": "opena/gpt-4o"}, "There is no provider 'opena'."),
        (PROMPT, {"prompt": "Judge {{Reviw}}"}, "{{Reviw}} is used, but there is no such column."),
        (PROMPT, {"system": "You know {{id2}}"}, "{{id2}} is used, but there is no such column."),
        (PROMPT, {"model": "openai/unheard-of", "budget": Decimal(1)}, "The price of unheard-of is not known, "),
    ],
)
def test_what_cannot_work_is_refused_with_one_sentence_and_leaves_nothing(
    run: Submit,
    here: Path,
    count: Callable[[str], int],
    options: dict[str, Any],
    asked: dict[str, Any],
    sentence: str,
) -> None:
    (here / "taken.csv").write_text("mine")
    with pytest.raises(UsageError) as caught:
        run(options, **asked)
    assert caught.value.message.startswith(sentence.replace("{here}", str(here)))
    assert caught.value.advise(REMEDIES).hint
    assert [count(table) for table in ("jobs", "datasets", "records")] == [0, 0, 0]
    assert (here / "taken.csv").read_text() == "mine"


def test_overwrite_lets_an_output_take_the_place_of_a_file_and_of_columns(run: Submit, here: Path) -> None:
    (here / "taken.csv").write_text("mine")
    job = run(output="taken.csv", columns=("Review",), overwrite=True).job
    assert job.output
    assert job.output.overwrite


def test_a_refused_run_keeps_the_dataset_that_another_job_uses(run: Submit, store: Store) -> None:
    job = run().job
    with pytest.raises(UsageError):
        run(rows="9")
    assert store.browse.rows(job.pk, 1, 1)[0].values == ["1", "fine"]


def test_the_price_is_pinned_and_a_given_one_wins(run: Submit) -> None:
    listed = run(PROMPT).job.steps[0].price
    assert listed
    assert listed.tokens_in > 0
    given = run(PROMPT, new=True, price="0.5,2").job.steps[0].price
    assert given == Price(500_000_000, 2_000_000_000)
    assert run().job.steps[0].price is None


def test_a_new_job_takes_the_rows_that_another_left(run: Submit, store: Store, engine: str) -> None:
    origin = run(concurrency=9, output="out.csv").job
    claim = begin(store, engine, origin)
    settle(store, claim, {1: "good", 2: None})
    with pytest.raises(UsageError, match="is running"):
        run(input_=None, from_job=origin.id, only="failed")
    store.ledger.finish(claim, Action.FAIL, store.clock())
    failed = run({}, input_=None, from_job="last", only="failed").job
    assert [record for _, record, _ in store.browse.records(failed.pk, 1, 9)] == [2]
    assert (failed.steps, failed.settings, failed.output) == (origin.steps, origin.settings, None)
    rest = run({}, input_=None, from_job=origin.id, only="unprocessed", concurrency=2).job
    assert [record for _, record, _ in store.browse.records(rest.pk, 1, 9)] == [3, 4]
    assert rest.settings == replace(origin.settings, concurrency=2)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"only": "failed"}, UsageError),  # with an input
        ({"input_": None}, UsageError),
        ({"input_": None, "only": "everything"}, UsageError),
        ({"input_": None, "only": "failed", "from_job": "job_unknown"}, NotFound),
        ({"input_": None, "only": "failed", "output": "no/where.csv"}, UsageError),
    ],
)
def test_a_new_job_from_another_must_be_told_which_rows(
    run: Submit,
    store: Store,
    engine: str,
    count: Callable[[str], int],
    asked: dict[str, Any],
    error: type[RowmillError],
) -> None:
    origin = complete(store, engine, run().job, {1: "good", 2: None, 3: "good", 4: "good"})
    with pytest.raises(error):
        run({}, **{"from_job": origin.id, **asked})
    assert count("jobs") == 1


def test_a_budget_for_the_rows_that_another_left_needs_a_known_price(
    run: Submit, store: Store, engine: str, count: Callable[[str], int]
) -> None:
    origin = complete(store, engine, run().job, {1: "good", 2: None, 3: "good", 4: "good"})
    rest = {"input_": None, "from_job": origin.id, "only": "failed", "budget": Decimal(1)}
    with pytest.raises(UsageError, match="so that a budget cannot be kept"):
        run({}, **rest)
    assert count("jobs") == 1
    job = run({}, **rest, price="1,2").job
    assert (job.settings.budget, job.steps[0].price) == (10**9, Price(10**9, 2 * 10**9))
    store.control.cancel(job.pk, 2.0)
    rest["from_job"] = job.id
    assert run({}, **{**rest, "only": "unprocessed"}).job.steps[0].price == job.steps[0].price
    again = run({}, **{**rest, "only": "unprocessed", "price": "3,4"}).job
    assert again.steps[0].price == Price(3 * 10**9, 4 * 10**9)


def test_two_jobs_may_use_one_table(store: Store, engine: str, reviews: Path, count: Callable[[str], int]) -> None:
    assert make(store, engine, reviews).dataset == make(store, engine, reviews, rows="1").dataset
    assert count("datasets") == 1


@pytest.fixture
def lasting(store: Store, engine: str, here: Path) -> Callable[[str], None]:
    """Imports ``daily.csv`` with these lines into a dataset of its name."""

    def bring(lines: str) -> None:
        (here / "daily.csv").write_text(f"id,Review\n{lines}")
        load(store, engine, here / "daily.csv", key="id")

    bring("1,fine\n2,bad\n3,good\n")
    return bring


@pytest.mark.parametrize(("only", "due"), [("new", ["2", "3", "4"]), ("changed", ["1", "2", "3", "4"])])
def test_what_was_left_of_an_outdated_run_is_taken_up_by_the_next(
    run: Submit, store: Store, engine: str, lasting: Callable[[str], None], only: str, due: list[str]
) -> None:
    first = run(input_="daily", only=only).job
    find(store, engine, first, 1)
    same = run(input_="daily", only=only)
    assert (same.found, same.job.id) == (True, first.id)
    lasting("1,mended\n2,bad\n3,good\n4,awful\n")
    after = run(input_="daily", only=only)
    assert not after.found
    assert store.browse.job(first.pk).status is JobStatus.CANCELLED
    assert [row.values[0] for row in store.browse.rows(after.job.pk, 1, 9)] == due


def test_an_outdated_run_that_is_being_worked_is_left_alone(
    run: Submit, store: Store, engine: str, lasting: Callable[[str], None]
) -> None:
    first = run(input_="daily", only="new").job
    begin(store, engine, first)
    lasting("4,awful\n")
    again = run(input_="daily", only="new")
    assert (again.found, again.job.id, again.job.status) == (True, first.id, JobStatus.RUNNING)
    assert not again.job.stopping


def test_a_refused_run_does_not_cancel_the_outdated_one(
    run: Submit, store: Store, engine: str, here: Path, lasting: Callable[[str], None]
) -> None:
    first = run(input_="daily", only="new", output="out.csv").job
    find(store, engine, first, 1)
    lasting("4,awful\n")
    (here / "out.csv").write_text("somebody's")
    with pytest.raises(UsageError, match="exists already"):
        run(input_="daily", only="new", output="out.csv")
    assert store.browse.job(first.pk).status is not JobStatus.CANCELLED


def test_two_who_ask_for_what_is_new_at_once_share_one_job(
    run: Submit, store: Store, lasting: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(input_="daily", only="new")
    # As if the other process had looked for the same run a moment earlier.
    monkeypatch.setattr("rowmill.jobs.submit.submit.same_run", lambda *_: None)
    second = run(input_="daily", only="new")
    assert (second.found, second.job.id) == (True, first.job.id)


def test_an_input_whose_name_no_text_can_hold_is_refused(run: Submit) -> None:
    with pytest.raises(UsageError, match="is not UTF-8"):
        run(input_="a\udcff.csv")
