import asyncio
from typing import Any, cast

import pytest

from rowmill.core.commit import Task
from rowmill.core.outcome import Done, Failed, Outcome, RetryLater, Usage
from rowmill.engine.item import AttemptResult, Item
from rowmill.engine.rows.attempt import attempt
from rowmill.testing.simulation import EPOCH, SimulatedRuntime, simulate
from tests.support.engine import Play, Player, after, done


def tried(play: Play, timeout: float = 5.0) -> AttemptResult:
    item = Item(Task(1), {"n": 1})
    return simulate(lambda runtime: attempt(3, item, Player(play), timeout, runtime))


def test_carries_what_the_processor_returned_with_its_time() -> None:
    result = tried(lambda n: after(2.0, Done({"out": n})))
    assert (result.slot, result.outcome) == (3, Done({"out": 1}))
    assert (result.started_at, result.duration) == (EPOCH, 2.0)


def test_an_earlier_steps_outputs_stand_beside_the_values() -> None:
    seen: dict[str, Any] = {}

    class Looks(Player):
        async def process(self, values: Any) -> Outcome:
            seen.update(values)
            return done(1)

    item = Item(Task(1, 1, carried={"first": "yes"}), {"n": 1})
    simulate(lambda runtime: attempt(0, item, Looks(done), 5.0, runtime))
    assert seen == {"n": 1, "first": "yes"}


def test_a_call_that_takes_too_long_timed_out() -> None:
    result = tried(lambda n: after(6.0, done(n)))
    assert result.outcome == RetryLater("timeout", "No answer came within 5 seconds.")
    assert result.duration == 5.0


async def raises(error: BaseException) -> Outcome:
    raise error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no number"), "ValueError: no number"),
        (TimeoutError("of its own"), "TimeoutError: of its own"),
        (asyncio.CancelledError("of its own"), "CancelledError: of its own"),
    ],
)
def test_whatever_a_plugin_raises_concerns_its_row(error: BaseException, message: str) -> None:
    assert tried(lambda n: raises(error)).outcome == RetryLater("function_error", message)


def test_an_aborted_call_has_no_outcome() -> None:
    async def main(runtime: SimulatedRuntime) -> AttemptResult:
        item = Item(Task(1), {"n": 1})
        call = asyncio.create_task(attempt(0, item, Player(lambda n: after(9.0, done(n))), 60.0, runtime))
        await asyncio.sleep(1.0)
        call.cancel()
        return await call

    assert simulate(main).outcome is None


@pytest.mark.parametrize("returned", [None, {"out": 1}, "text"])
def test_a_plugin_that_returns_no_outcome_fails_its_row_alone(returned: object) -> None:
    outcome = tried(lambda n: cast("Outcome", returned)).outcome
    assert isinstance(outcome, RetryLater)
    assert outcome.code == "function_error"


def test_values_that_json_cannot_hold_fail_their_row_alone() -> None:
    outcome = tried(lambda n: Done({"out": object()})).outcome
    assert isinstance(outcome, RetryLater)
    assert outcome.code == "function_error"


@pytest.mark.parametrize("play", [lambda n: raises(ValueError("caf\udce9")), lambda n: Failed("bad", "caf\udce9")])
def test_a_message_that_utf8_cannot_hold_is_made_to_fit(play: Play) -> None:
    outcome = tried(play).outcome
    assert isinstance(outcome, Failed | RetryLater)
    assert outcome.message.encode().endswith(b"caf?")


@pytest.mark.parametrize("field", ["tokens_in", "tokens_out", "cached", "cache_write", "reasoning"])
@pytest.mark.parametrize("tokens", [-1, 10**30, 1.5])
def test_an_invalid_number_of_tokens_fails_the_row_alone(field: str, tokens: Any) -> None:
    outcome = tried(lambda _: Done({"out": 1}, Usage(**{field: tokens}))).outcome
    assert isinstance(outcome, RetryLater)
    assert outcome.code == "function_error"


@pytest.mark.parametrize("details", [{"service_tier": 1}, {"service_tier": "caf\udce9"}, {"estimated": "no"}])
def test_invalid_details_of_usage_fail_the_row_alone(details: dict[str, Any]) -> None:
    outcome = tried(lambda _: Done({"out": 1}, Usage(7, 2, **details))).outcome
    assert isinstance(outcome, RetryLater)
    assert outcome.code == "function_error"
