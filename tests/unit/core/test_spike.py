from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.retry import SPIKE
from rowmill.core.spike import SpikeWatch

codes = st.sampled_from(["bad_request", "timeout", None])


def _seen(watch: SpikeWatch, ends: list[str | None]) -> list[int]:
    return [number for place, code in enumerate(ends) for number in watch.see(place, code)]


def test_a_streak_is_told_whole_once_it_is_long_enough_and_then_row_by_row() -> None:
    watch = SpikeWatch(1000, None)
    assert _seen(watch, ["timeout"] * (SPIKE - 1)) == []
    assert watch.see(SPIKE - 1, "timeout") == list(range(SPIKE))
    assert watch.see(SPIKE, "timeout") == [SPIKE]


def test_a_success_and_another_code_begin_anew() -> None:
    for between in (None, "bad_request"):
        watch = SpikeWatch(1000, None)
        assert _seen(watch, ["timeout"] * (SPIKE - 1) + [between] + ["timeout"] * (SPIKE - 1)) == []


def test_all_rows_of_a_smaller_job_are_enough() -> None:
    assert _seen(SpikeWatch(3, None), ["timeout"] * 3) == [0, 1, 2]


def test_a_code_that_the_user_has_resumed_from_pauses_no_more() -> None:
    assert _seen(SpikeWatch(3, "timeout"), ["timeout"] * 9) == []
    assert _seen(SpikeWatch(3, "timeout"), ["bad_request"] * 3) == [0, 1, 2]


@given(st.integers(1, 8), st.lists(codes, max_size=40))
def test_it_tells_exactly_the_rows_of_streaks_that_are_long_enough(total: int, ends: list[str | None]) -> None:
    runs: list[list[int]] = []
    for place, code in enumerate(ends):
        if place == 0 or code != ends[place - 1]:
            runs.append([])
        runs[-1].append(place)
    expected = [number for run in runs if ends[run[0]] and len(run) >= total for number in run]
    assert _seen(SpikeWatch(total, None), ends) == expected
