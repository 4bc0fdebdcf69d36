from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.outcome import Done, Failed, Outcome, RetryLater, StopJob
from rowmill.core.retry import BACKOFF_BASE, BACKOFF_CAP, Fail, PutOff, Ruling, Stop, Succeed, backoff, rule

REFUSED = RetryLater("rate_limited", "429", after=30.0, gate=True)
TIMEOUT = RetryLater("timeout", "It took too long.")


class Still(Random):
    """A chance that always takes the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.mark.parametrize(
    ("outcome", "attempt", "ruling"),
    [
        (Done({"a": 1}), 1, Succeed()),
        (Done({"a": 1}), 3, Succeed()),
        (Failed("bad_request", "400"), 1, Fail("bad_request", "400")),
        (StopJob("no_credit", "402", "Pay."), 1, Stop("no_credit", "402", "Pay.")),
        (TIMEOUT, 1, PutOff(1.0, True, TIMEOUT.code, TIMEOUT.message)),
        (TIMEOUT, 2, PutOff(2.0, True, TIMEOUT.code, TIMEOUT.message)),
        (TIMEOUT, 3, Fail(TIMEOUT.code, TIMEOUT.message)),
        (TIMEOUT, 4, Fail(TIMEOUT.code, TIMEOUT.message)),  # max_attempts was lowered meanwhile
        (RetryLater("server", "500", after=20.0), 1, PutOff(20.0, True, "server", "500")),
        (RetryLater("server", "500", after=0.5), 1, PutOff(1.0, True, "server", "500")),
        (REFUSED, 1, PutOff(30.0, False, REFUSED.code, REFUSED.message)),
        (REFUSED, 3, PutOff(30.0, False, REFUSED.code, REFUSED.message)),
    ],
)
def test_the_rule(outcome: Outcome, attempt: int, ruling: Ruling) -> None:
    assert rule(outcome, attempt, 3, Still()) == ruling


@given(st.integers(1, 8), st.integers())
def test_a_wait_lies_between_nothing_and_twice_the_one_before(attempt: int, seed: int) -> None:
    assert 0 <= backoff(attempt, Random(seed)) <= min(BACKOFF_CAP, BACKOFF_BASE * 2 ** (attempt - 1))


@given(st.integers(1, 1_000_000), st.integers())
def test_a_wait_has_a_bound_however_many_came_before(attempt: int, seed: int) -> None:
    assert 0 <= backoff(attempt, Random(seed)) <= BACKOFF_CAP


def test_waits_are_spread_over_all_of_their_span() -> None:
    random = Random(1)
    waits = [backoff(4, random) for _ in range(400)]
    assert all(any(low <= wait < low + 1 for wait in waits) for low in range(8))
