import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rowmill.builtin.processors.python import PythonProcessor
from rowmill.core.errors import UsageError
from rowmill.core.outcome import Done, Failed, Outcome, RetryLater, StopJob, Usage
from tests.support.deadline import DEADLINE

Work = Callable[..., Outcome]

MODULE = """
import asyncio, dataclasses, datetime, functools
from rowmill.core.outcome import Done, Failed, RetryLater, StopJob, Usage

def plain(row): return {"mood": row["a"].upper(), "stars": 3, "more": 1}
async def later(row):
    await asyncio.sleep(0)
    return plain(row)
def wrapped(row): return later(row)
class Callable:
    async def __call__(self, row): return plain(row)
an_object = Callable()

def returns(row): return row["value"]
def lacks(row): return {"mood": "x"}
def a_date(row): return datetime.date(2024, 2, 29)
def an_object_result(row): return object()
def surrogate(row): return "\\ud800"
def huge(row): return 2 ** 70
def a_tuple(row): return (1, (2, 3))
def odd_keys(row): return [{1: 2}]
def done(row): return Done({"mood": "x", "stars": 1, "more": 2}, Usage(3, 4), hold=1.5)
def half_done(row): return Done({"mood": "x"})
def failed(row): return Failed("mine", "no")
def again(row): return RetryLater("mine", "later", after=2)
def stop(row): return StopJob("mine", "all")
def raises(row): raise ValueError("bad row")
async def raises_later(row): raise ValueError("bad row")
def leaves(row): raise SystemExit(1)
async def leaves_later(row): raise SystemExit(1)
async def interrupts_later(row): raise KeyboardInterrupt
async def cancels_itself(row): raise asyncio.CancelledError
class Mute(Exception):
    def __str__(self): raise SystemExit
def mute(row): raise Mute
async def mute_later(row): raise Mute
@dataclasses.dataclass
class Score:
    value: float
def a_score(row): return Score(float("nan"))
def empty_error(row): raise KeyError
def stops_iterating(row): raise StopIteration
def mutates(row):
    row.clear()
    return {"mood": "x", "stars": 1}
def two_arguments(row, other): return {}
async def two_arguments_later(row, other): return {}
"""

BOTH = {"mood": {"type": "string"}, "stars": {"type": "integer"}}
ONE: dict[str, dict[str, Any]] = {"mood": {}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    (tmp_path / "row_functions.py").write_text(MODULE)
    return tmp_path


@pytest.fixture
def work(folder: Path) -> Work:
    """Runs one row through ``row_functions:NAME``."""

    def run(name: str, outputs: dict[str, Any] = BOTH, **row: Any) -> Outcome:
        async def scenario() -> Outcome:
            processor = PythonProcessor({"function": f"row_functions:{name}", "path": [str(folder)]}, outputs)
            await processor.open()
            try:
                return await processor.process(row)
            finally:
                await processor.close()

        return asyncio.run(scenario())

    return run


@pytest.mark.parametrize("name", ["plain", "later", "wrapped", "an_object"])
def test_a_function_fills_the_columns(work: Work, name: str) -> None:
    assert work(name, a="good") == Done({"mood": "GOOD", "stars": 3})


@pytest.mark.parametrize("value", ["x", 3, 0.5, None, True, ["a", {"b": 1}]])
def test_one_column_may_be_returned_bare(work: Work, value: object) -> None:
    assert work("returns", ONE, value=value) == Done({"mood": value})


def test_a_dict_is_always_columns(work: Work) -> None:
    assert work("returns", ONE, value={"mood": 1}) == Done({"mood": 1})
    assert work("returns", ONE, value={"other": 1}) == Failed(
        "invalid_output", "row_functions:returns returned no 'mood'."
    )


def test_values_come_out_as_plain_json(work: Work) -> None:
    assert work("a_tuple", ONE) == Done({"mood": [1, [2, 3]]})
    assert work("a_date", ONE) == Done({"mood": "2024-02-29"})


@pytest.mark.parametrize(
    ("name", "outputs", "sentence"),
    [
        ("lacks", BOTH, "row_functions:lacks returned no 'stars'."),
        ("surrogate", BOTH, "row_functions:surrogate returned str where a dict of 'mood', 'stars' is due."),
        ("surrogate", ONE, "row_functions:surrogate returned what JSON cannot hold: "),
        ("an_object_result", ONE, "row_functions:an_object_result returned what JSON cannot hold: "),
        ("huge", ONE, "row_functions:huge returned what JSON cannot hold: "),
        ("odd_keys", ONE, "row_functions:odd_keys returned what JSON cannot hold: "),
        ("half_done", BOTH, "row_functions:half_done returned no 'stars'."),
    ],
)
def test_what_cannot_be_stored_fails_the_row(work: Work, name: str, outputs: dict[str, Any], sentence: str) -> None:
    outcome = work(name, outputs)
    assert isinstance(outcome, Failed)
    assert outcome.code == "invalid_output"
    assert outcome.message.startswith(sentence)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("done", Done({"mood": "x", "stars": 1}, Usage(3, 4), 1.5)),
        ("failed", Failed("mine", "no")),
        ("again", RetryLater("mine", "later", after=2)),
        ("stop", StopJob("mine", "all")),
        ("raises", RetryLater("function_error", "ValueError: bad row")),
        ("raises_later", RetryLater("function_error", "ValueError: bad row")),
        ("leaves", RetryLater("function_error", "SystemExit: 1")),
        ("leaves_later", RetryLater("function_error", "SystemExit: 1")),
        ("interrupts_later", RetryLater("function_error", "KeyboardInterrupt")),
        ("cancels_itself", RetryLater("function_error", "CancelledError")),
        ("mute", RetryLater("function_error", "Mute")),
        ("mute_later", RetryLater("function_error", "Mute")),
        ("empty_error", RetryLater("function_error", "KeyError")),
        ("stops_iterating", RetryLater("function_error", "StopIteration")),
    ],
)
def test_a_function_may_say_or_raise_what_became_of_its_row(work: Work, name: str, outcome: Outcome) -> None:
    assert work(name) == outcome


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY, [1.0, {"a": (None, NAN)}]])
def test_what_is_no_number_is_never_stored_as_null(work: Work, value: object) -> None:
    sentence = "row_functions:returns returned NaN or Infinity for 'mood', which JSON cannot hold."
    assert work("returns", ONE, value=value) == Failed("invalid_output", sentence)


def test_what_is_no_number_is_found_in_a_dataclass(work: Work) -> None:
    assert isinstance(work("a_score", ONE), Failed)


def test_null_beside_numbers_is_fine(work: Work) -> None:
    assert work("returns", ONE, value=[None, 1.5]) == Done({"mood": [None, 1.5]})


def test_an_async_call_can_be_cancelled(folder: Path) -> None:
    (folder / "waits.py").write_text("import asyncio\nasync def call(row): await row['gate'].wait()")

    async def scenario() -> None:
        processor = PythonProcessor({"function": "waits:call", "path": [str(folder)]}, ONE)
        await processor.open()
        async with asyncio.timeout(0):
            await processor.process({"gate": asyncio.Event()})

    with pytest.raises(TimeoutError):
        asyncio.run(scenario())


@pytest.mark.parametrize("name", ["two_arguments", "two_arguments_later"])
def test_a_function_of_other_arguments_is_an_error_of_the_row(work: Work, name: str) -> None:
    outcome = work(name)
    assert isinstance(outcome, RetryLater)
    assert "missing 1 required positional argument" in outcome.message


def test_the_row_itself_is_out_of_reach(folder: Path) -> None:
    async def scenario() -> dict[str, Any]:
        processor = PythonProcessor({"function": "row_functions:mutates", "path": [str(folder)]}, BOTH)
        await processor.open()
        row = {"a": 1}
        await processor.process(row)
        await processor.close()
        return row

    assert asyncio.run(scenario()) == {"a": 1}


def test_a_timed_out_call_leaves_the_processor_working(folder: Path) -> None:
    (folder / "gates.py").write_text(
        "import threading\nstarted, gate = threading.Event(), threading.Event()\n"
        "def call(row):\n    if row['wait']:\n        started.set()\n        gate.wait(120)\n    return row['wait']\n"
    )

    async def scenario() -> tuple[Outcome, Any]:
        processor = PythonProcessor({"function": "gates:call", "path": [str(folder)]}, ONE)
        gates: Any = sys.modules["gates"]
        await processor.open()
        stuck = asyncio.create_task(processor.process({"wait": True}))
        await asyncio.to_thread(gates.started.wait, 10)
        stuck.cancel()
        [ended] = await asyncio.gather(stuck, return_exceptions=True)
        outcome = await asyncio.wait_for(processor.process({"wait": False}), DEADLINE)
        gates.gate.set()
        await processor.close()
        return outcome, ended

    outcome, ended = asyncio.run(scenario())
    assert outcome == Done({"mood": False})
    assert isinstance(ended, asyncio.CancelledError)


def test_its_calls_share_a_limit_of_their_own_and_use_no_tokens(folder: Path) -> None:
    processor = PythonProcessor({"function": "row_functions:plain", "path": [str(folder)]}, BOTH)
    assert processor.limit_key == "python:row_functions:plain"
    assert (processor.max_concurrency, processor.weigh({})) == (None, 0)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("plain", "'plain' names no function. Write module:function."),
        (":plain", "':plain' names no function. Write module:function."),
        ("row_function:plain", "There is no Python module 'row_function'. Did you mean 'row_functions'?"),
        ("row_functions.inner:f", "There is no Python module 'row_functions.inner'. Did you mean 'row_functions'?"),
        ("xyz_nowhere:f", "There is no Python module 'xyz_nowhere'. It was looked for in "),
        ("row_functions:plan", "The module 'row_functions' has no function 'plan'. Did you mean 'plain'?"),
        ("row_functions:MODULE", "The module 'row_functions' has no function 'MODULE'."),
        ("needs:f", "The module 'needs' cannot be imported: ModuleNotFoundError: No module named 'xyz_lacking'. See"),
        ("raising:f", "The module 'raising' cannot be imported: RuntimeError: at import. See"),
    ],
)
def test_what_cannot_be_imported_is_refused(folder: Path, function: str, sentence: str) -> None:
    (folder / "needs.py").write_text("import xyz_lacking")
    (folder / "raising.py").write_text("raise RuntimeError('at import')")
    with pytest.raises(UsageError) as caught:
        PythonProcessor({"function": function, "path": [str(folder)]}, BOTH)
    assert str(caught.value).startswith(sentence)


def test_where_there_is_nowhere_to_look_the_hint_says_what_to_do() -> None:
    with pytest.raises(UsageError) as caught:
        PythonProcessor({"function": "xyz_nowhere:f", "path": []}, BOTH)
    assert str(caught.value) == "There is no Python module 'xyz_nowhere'. Install it beside Rowmill."


def test_a_namesake_loaded_for_another_job_is_never_run_in_its_place(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    (other / "row_functions.py").write_text("def plain(row): return 1")
    PythonProcessor({"function": "row_functions:plain", "path": [str(folder)]}, BOTH)
    with pytest.raises(UsageError, match="cannot be loaded beside its namesake"):
        PythonProcessor({"function": "row_functions:plain", "path": [str(other)]}, BOTH)


def test_plain_functions_run_outside_the_loops_thread(folder: Path) -> None:
    (folder / "where.py").write_text("import threading\ndef am_i(row): return threading.current_thread().name")

    async def scenario() -> Outcome:
        processor = PythonProcessor({"function": "where:am_i", "path": [str(folder)]}, ONE)
        await processor.open()
        outcome = await processor.process({})
        await processor.close()
        return outcome

    outcome = asyncio.run(scenario())
    assert isinstance(outcome, Done)
    assert outcome.values["mood"] != threading.current_thread().name
