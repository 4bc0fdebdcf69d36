"""No minute holds more calls or tokens than its limit, whoever makes them."""

from itertools import accumulate, count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowmill.ledger.limits import HORIZON, Meter
from rowmill.ledger.store import Store

from .bench import NOW

MINUTE = 60.0
keys = map("key {}".format, count())
arrivals = st.lists(
    st.tuples(
        st.booleans(),  # which of two processes
        st.sampled_from([0.0, 0.0, 0.01, 1.0, 7.0, 59.9, 60.0, 200.0]) | st.floats(0, 120),  # seconds after the last
        st.integers(1, 12),  # how many calls it wants to make
        st.floats(0, HORIZON),  # how late it uses what it gets
    ),
    min_size=1,
    max_size=25,
)
real = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _most_in_a_minute(calls: list[tuple[float, int]]) -> int:
    """The highest sum of weights of calls (when, weight) within any 60 seconds."""
    calls = sorted(calls)
    sums = [0, *accumulate(weight for _, weight in calls)]
    most = first = 0
    for last, (at, _) in enumerate(calls):
        while at - calls[first][0] >= MINUTE:
            first += 1
        most = max(most, sums[last + 1] - sums[first])
    return most


@real
@given(st.integers(1, 30), arrivals)
def test_no_minute_has_more_calls_than_rpm(store: Store, other: Store, rpm: int, arrivals: list[tuple]) -> None:  # type: ignore[type-arg]
    key, now = next(keys), NOW
    calls = []
    for mine, gap, wanted, late in arrivals:
        now += gap
        lease = (store if mine else other).limits.lease([Meter(key, rpm, None)], [0] * wanted, now)
        assert len(lease.starts) == wanted
        calls += [(max(start, now) + late, 1) for start in lease.starts]
    assert _most_in_a_minute(calls) <= rpm


@real
@given(st.integers(100, 1000), st.none() | st.integers(1, 30), arrivals, st.data())
def test_no_minute_has_more_tokens_than_tpm_and_one_call(
    store: Store,
    other: Store,
    tpm: int,
    rpm: int | None,
    arrivals: list[tuple],  # type: ignore[type-arg]
    data: st.DataObject,
) -> None:
    key, now = next(keys), NOW
    calls = []
    for mine, gap, wanted, late in arrivals:
        now += gap
        weights = data.draw(st.lists(st.integers(1, tpm), min_size=wanted, max_size=wanted))
        lease = (store if mine else other).limits.lease([Meter(key, rpm, tpm)], weights, now)
        calls += [(max(start, now) + late, weight) for start, weight in zip(lease.starts, weights, strict=True)]
    assert _most_in_a_minute(calls) <= tpm + max((weight for _, weight in calls), default=0)


def test_a_long_stretch_of_many_calls_keeps_and_nearly_reaches_the_limit(store: Store, other: Store) -> None:
    rpm, now = 1200, NOW
    calls: list[tuple[float, int]] = []
    for turn in range(300):
        lease = (store, other)[turn % 2].limits.lease([Meter("key", rpm, None)], [0] * 6, now)
        calls += [(max(start, now) + HORIZON * (turn % 3 == 0), 1) for start in lease.starts]
        now = max(now, lease.starts[0])
    assert _most_in_a_minute(calls) <= rpm
    assert len(calls) / (calls[-1][0] - NOW) * MINUTE > 0.98 * rpm


def test_tokens_nearly_reach_their_limit_where_calls_are_small(store: Store) -> None:
    starts = [
        start for _ in range(60) for start in store.limits.lease([Meter("key", None, 100_000)], [100] * 50, NOW).starts
    ]
    assert 3000 * 100 / (starts[-1] - NOW) * MINUTE > 0.85 * 100_000


def test_the_stricter_of_both_limits_decides(store: Store) -> None:
    calls_decide = store.limits.lease([Meter("a", 6, 100_000)], [1] * 3, NOW).starts
    assert 10 <= calls_decide[1] - calls_decide[0] <= 10.2
    tokens_decide = store.limits.lease([Meter("b", 600, 100)], [50] * 3, NOW).starts
    assert tokens_decide[2] - tokens_decide[0] >= MINUTE


def test_waiting_for_requests_saves_up_no_tokens(store: Store) -> None:
    store.limits.lease([Meter("key", 10, 1000)], [1] * 20, NOW)
    starts = store.limits.lease([Meter("key", 10, 1000)], [1000] * 3, NOW).starts
    assert _most_in_a_minute([(start, 1000) for start in starts]) <= 1000 + 1000


def test_keys_do_not_share_limits_and_no_limit_means_now(store: Store) -> None:
    store.limits.lease([Meter("a", 10, None)], [0] * 100, NOW)
    assert store.limits.lease([Meter("b", 10, None)], [0], NOW).starts == [NOW]
    assert store.limits.lease([Meter("c", None, None)], [5] * 3, NOW).starts == [NOW] * 3


def test_what_was_used_beyond_a_reservation_delays_the_next_call(store: Store, other: Store) -> None:
    first = store.limits.lease([Meter("a", None, 600)], [10], NOW).starts[0]
    store.limits.settle("a", 590, 600)
    assert other.limits.lease([Meter("a", None, 600)], [10], NOW).starts[0] - first >= MINUTE
    store.limits.lease([Meter("b", None, 600)], [600], NOW)
    store.limits.settle("b", -600, 600)
    assert other.limits.lease([Meter("b", None, 600)], [10], NOW).starts[0] - NOW < 10


def test_the_gate_is_shared_and_only_ever_closed_for_longer(store: Store, other: Store) -> None:
    assert store.limits.gate("a") == 0
    store.limits.close_gate("a", NOW + 30)
    other.limits.close_gate("a", NOW + 10)
    assert store.limits.gate("a") == other.limits.gate("a") == NOW + 30
    assert store.limits.gate("b") == 0
    store.limits.lease([Meter("a", 10, None)], [0], NOW)
    assert store.limits.gate("a") == NOW + 30


def test_a_call_waits_for_every_meter_and_counts_in_each(store: Store, other: Store) -> None:
    shared, own = Meter("connection", 6, None), Meter("job", 60, None)
    starts = store.limits.lease([shared, own], [0] * 3, NOW).starts
    assert [round(start - NOW, 1) for start in starts] == [0.0, 10.1, 20.2]
    assert other.limits.lease([shared], [0], NOW).starts[0] - NOW >= 30
    assert other.limits.lease([own], [0], NOW).starts[0] - NOW >= 21


def test_a_slow_job_takes_no_more_from_its_connection_than_its_calls(store: Store, other: Store) -> None:
    shared, own = Meter("connection", 600, None), Meter("job", 1, None)
    first, second = store.limits.lease([shared, own], [0] * 2, NOW).starts
    assert second - first >= MINUTE
    assert other.limits.lease([shared], [0], NOW).starts[0] - NOW < 0.3
