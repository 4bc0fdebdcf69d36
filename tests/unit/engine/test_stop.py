import pytest

from rowmill.core.job import JobError
from rowmill.core.status import Action, PauseReason
from rowmill.engine.stop import Stop, Stopper, endings

CANCEL, FAIL, PAUSE, RELEASE = (
    Stop(Action.CANCEL),
    Stop(Action.FAIL, error=JobError("store", "Full.")),
    Stop(Action.PAUSE, PauseReason.BUDGET),
    Stop(Action.RELEASE),
)


def test_nothing_stops_at_first() -> None:
    assert Stopper().stop is None


@pytest.mark.parametrize(("weaker", "stronger"), [(PAUSE, FAIL), (RELEASE, PAUSE), (RELEASE, FAIL)])
def test_the_stronger_demand_wins_in_any_order(weaker: Stop, stronger: Stop) -> None:
    for demands in ((weaker, stronger), (stronger, weaker)):
        stopper = Stopper()
        for demand in demands:
            stopper.demand(demand)
        assert stopper.stop == stronger


def test_cancel_outranks_a_fatal_error_and_that_a_pause() -> None:
    stopper = Stopper()
    stopper.demand(FAIL)
    stopper.request(Action.PAUSE)
    assert stopper.stop == FAIL
    stopper.request(Action.CANCEL)
    assert stopper.stop == CANCEL


def test_the_first_of_equal_demands_counts() -> None:
    stopper = Stopper()
    stopper.demand(PAUSE)
    stopper.demand(Stop(Action.PAUSE, PauseReason.RATE_LIMIT))
    assert stopper.stop == PAUSE


def test_a_request_can_be_taken_back_and_a_demand_cannot() -> None:
    stopper = Stopper()
    stopper.request(Action.PAUSE)
    assert stopper.stop is not None
    assert stopper.stop.requested
    stopper.request(None)
    assert stopper.stop is None
    stopper.demand(RELEASE)
    stopper.request(None)
    assert stopper.stop == RELEASE


@pytest.mark.parametrize(
    ("stop", "actions"),
    [
        (RELEASE, [Action.COMPLETE, Action.RELEASE]),
        (PAUSE, [Action.COMPLETE, Action.PAUSE]),
        (FAIL, [Action.FAIL]),
        (CANCEL, [Action.CANCEL]),
    ],
)
def test_where_nothing_is_left_a_pause_or_release_completes_the_job(stop: Stop, actions: list[Action]) -> None:
    assert [ending.action for ending in endings(stop)] == actions
