"""The one look at the store for all listeners."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from rowmill.api.live.hub import Hub, Listener, News, Watcher
from rowmill.core.errors import StoreError
from rowmill.core.status import JobType
from rowmill.ledger.events import Event
from rowmill.ledger.store import Store
from tests.support.deadline import DEADLINE
from tests.support.made import begin, make, settle, start

PAGE = 100


def _run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def within_the_deadline() -> None:
        async with asyncio.timeout(DEADLINE):
            await scenario()

    asyncio.run(within_the_deadline())


async def _next(listener: Listener) -> News:
    news = await listener.queue.get()
    assert news
    return news


async def _disconnected(listener: Listener) -> None:
    while await listener.queue.get() is not None:
        pass


def _looks(watcher: Watcher) -> Iterator[int]:
    """How many status events each further look finds; -1 where it does not read."""
    seq = 0
    while True:
        found = watcher.look(seq, {None}, force=False)
        if found is None:
            yield -1
        else:
            seq = found.statuses[-1].seq if found.statuses else seq
            yield len(found.statuses)


def test_a_look_reads_only_what_was_committed_since(store: Store) -> None:
    looks = _looks(Watcher(store, PAGE))
    assert [next(looks), next(looks)] == [0, -1]
    job = make(store)
    assert [next(looks), next(looks)] == [1, -1]
    claim = begin(store, job)
    assert next(looks) == 1
    settle(store, claim, {start(store, claim, 1)[0]: "good"})
    assert [next(looks), next(looks)] == [0, -1]


def test_a_look_reads_now_and_then_though_nothing_was_committed(store: Store) -> None:
    looks = _looks(Watcher(store, PAGE, at_least=0.0))
    assert [next(looks), next(looks)] == [0, 0]


def test_a_look_that_could_not_read_everything_goes_on_at_once(store: Store) -> None:
    for _ in range(4):
        make(store)
    looks = _looks(Watcher(store, 3))
    assert [next(looks) for _ in range(3)] == [3, 1, -1]


def test_a_look_that_failed_is_made_up_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> list[Event]:
        raise StoreError("The disk is gone.")

    watcher = Watcher(store, PAGE)
    with monkeypatch.context() as patched:
        patched.setattr(store.events, "after", broken)
        with pytest.raises(StoreError):
            watcher.look(0, {None}, force=False)
    make(store)
    assert next(_looks(watcher)) == 1


def test_a_hub_outlives_a_store_that_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[int] = []
    read = store.events.after

    def broken(seq: int, limit: int, job: str | None = None) -> list[Event]:
        if len(failed) < 3:
            failed.append(seq)
            raise StoreError("The disk is gone.")
        return read(seq, limit, job)

    monkeypatch.setattr(store.events, "after", broken)

    async def scenario() -> None:
        hub, listener = Hub(store, every=0.005), Listener()
        with hub.listening(listener, 0):
            make(store)
            assert len((await _next(listener)).statuses) == 1
        assert len(failed) == 3

    _run(scenario)


def test_listeners_hear_of_what_concerns_them(store: Store) -> None:
    async def scenario() -> None:
        hub = Hub(store, every=0.005)
        one, other = make(store), make(store)
        first, second, exports, everything = (
            Listener(one.id),
            Listener(other.id),
            Listener(None, JobType.EXPORT),
            Listener(),
        )
        seq = store.events.last()
        with (
            hub.listening(first, seq),
            hub.listening(second, seq),
            hub.listening(exports, seq),
            hub.listening(everything, seq),
        ):
            store.control.pause(one.pk, store.clock())
            assert [each.job for each in (await _next(first)).statuses] == [one.id]
            assert [each.job for each in (await _next(everything)).statuses] == [one.id]
            assert second.queue.empty()
            assert exports.queue.empty()

    _run(scenario)


def test_a_listener_is_shown_how_things_stand_once_it_has_read_the_store_itself(store: Store) -> None:
    async def scenario() -> None:
        hub = Hub(store, every=0.005)
        job = make(store)
        begin(store, job)
        seq = store.events.last()
        early, late = Listener(), Listener()
        early.synced = True
        with hub.listening(early, seq):
            assert [each.job for each in (await _next(early)).snapshots] == [job.id]
            with hub.listening(late, seq):
                store.control.pause(job.pk, store.clock())
                await _next(early)
                assert late.queue.empty()
                late.synced = True
                assert [each.job for each in (await _next(late)).snapshots] == [job.id]  # though nothing has changed

    _run(scenario)


def test_a_listener_that_is_too_far_behind_is_disconnected_and_the_others_go_on(store: Store) -> None:
    async def scenario() -> None:
        hub, slow, quick = Hub(store, every=0.005, backlog=2), Listener(), Listener()
        with hub.listening(slow, 0), hub.listening(quick, 0):
            for _ in range(3):
                make(store)
                assert len((await _next(quick)).statuses) == 1
            assert slow.queue.qsize() == 1
            assert slow.queue.get_nowait() is None

    _run(scenario)


def test_a_stopped_hub_lets_nobody_wait(store: Store) -> None:
    async def scenario() -> None:
        hub, early, late = Hub(store, every=0.005), Listener(), Listener()
        with hub.listening(early, 0):
            await asyncio.to_thread(hub.stop)
            await _disconnected(early)
        with hub.listening(late, 0):
            await _disconnected(late)

    _run(scenario)


def test_an_error_nobody_foresaw_ends_the_streams_instead_of_leaving_them_silent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        hub, listener = Hub(store, every=0.005), Listener()
        with monkeypatch.context() as patched:
            patched.setattr(Watcher, "look", lambda *_, **__: 1 / 0)
            with hub.listening(listener, 0):
                await _disconnected(listener)
        again = Listener()
        with hub.listening(again, 0):
            make(store)
            assert len((await _next(again)).statuses) == 1

    _run(scenario)
