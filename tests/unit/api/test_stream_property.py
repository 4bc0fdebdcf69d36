"""Whatever happens, a listener hears of each status once and in order."""

from contextlib import ExitStack, suppress

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowmill.api.live.hub import Hub
from rowmill.core.errors import RowmillError
from rowmill.ledger.store import Store
from tests.support.listening import Ear, listening
from tests.support.made import make
from tests.support.serving import Api


@pytest.fixture(autouse=True)
def hub(store: Store) -> Hub:
    """Brisk, so that tests need not wait."""
    return Hub(store, every=0.02, page=2, backlog=2)


_MOVES = st.lists(
    st.tuples(
        st.sampled_from(["make", "pause", "resume", "cancel", "retry", "delete", "hang up", "hear", "restart"]),
        st.integers(0, 9),
    ),
    max_size=25,
)


@pytest.mark.parametrize("one", [True, False], ids=["one job", "all jobs"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=_MOVES)
def test_each_status_is_heard_once_and_in_order_whatever_happens(
    app: FastAPI, api: Api, store: Store, one: bool, moves: list[tuple[str, int]]
) -> None:
    jobs = [make(store)]
    followed = jobs[0].id if one else None
    before = store.events.last()
    listener = _Faithful(api, store, followed)
    for move, which in moves:
        job = jobs[which % len(jobs)]
        match move:
            case "make":
                jobs.append(make(store))
            case "hang up":
                listener.hang_up()
            case "hear":
                listener.hear(which)
            case "restart":
                app.state.hub.stop()
                app.state.hub = Hub(store, every=0.002, page=2, backlog=2)
            case _:
                with suppress(RowmillError):
                    getattr(store.control, move)(job.pk, store.clock())
    listener.hear(1000)
    listener.hang_up()
    assert listener.heard == [event.seq for event in store.events.after(before, 1000, followed)]


class _Faithful:
    """Listens to a job, or to all, and connects again whenever the stream is gone, as a browser does."""

    def __init__(self, api: Api, store: Store, job: str | None) -> None:
        self.heard: list[int] = []
        self._api = api
        self._store = store
        self._job = job
        self._path = f"/v1/jobs/{job}/events" if job else "/v1/events"
        self._last_id: str | None = None
        self._open = ExitStack()
        self._ear: Ear | None = None
        self._hear_one()

    def hear(self, count: int) -> None:
        """The next ``count`` status events, as far as there are any by now."""
        enough = len(self.heard) + count
        while len(self.heard) < enough and self._store.events.after(int(self._last_id or 0), 1, self._job):
            self._hear_one()

    def hang_up(self) -> None:
        self._open.close()
        self._ear = None

    def _hear_one(self) -> None:
        if self._ear is None:
            self._ear = self._open.enter_context(listening(self._api, self._path, self._last_id))
            assert self._ear.status == 200
        event = self._ear.hear()
        self._last_id = self._ear.last_id or self._last_id
        if event is None:
            self.hang_up()
        elif event.id and event.type != "end":
            self.heard.append(int(event.id))
        assert event is None or event.type != "reset"
