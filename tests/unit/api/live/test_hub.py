"""The one look at the store for all listeners."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from rowmill.api.live import hub as hub_module
from rowmill.api.live.hub import Hub, Listener, Watcher
from rowmill.core.errors import StoreError
from rowmill.core.status import JobType
from rowmill.ledger.events import Event
from rowmill.ledger.store import Store
from tests.support.made import begin, make, settle, start
from tests.support.serving import DEADLINE


def _run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def within_the_deadline() -> None:
        async with asyncio.timeout(DEADLINE):
            await scenario()

    asyncio.run(within_the_deadline())


async def _woken(listener: Listener) -> None:
    listener.due = asyncio.get_running_loop().time() + DEADLINE
    await listener.wake.wait()
    listener.wake.clear()


def _looks(watcher: Watcher) -> Iterator[int]:
    """How many status events each further look finds; none where it does not read."""
    seq, number = 0, 0
    while True:
        number += 1
        found = watcher.look(seq, {None}, number, hurry=False)
        if found is None:
            yield -1
        else:
            seq = found.told[-1].seq if found.told else seq
            yield len(found.told)


def test_a_look_reads_only_what_was_committed_since(store: Store) -> None:
    looks = _looks(Watcher(store))
    assert [next(looks), next(looks)] == [0, -1]
    job = make(store)
    assert [next(looks), next(looks)] == [1, -1]
    claim = begin(store, job)
    assert next(looks) == 1
    settle(store, claim, {start(store, claim, 1)[0]: "good"})
    assert [next(looks), next(looks)] == [0, -1]


def test_a_look_reads_now_and_then_though_nothing_was_committed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = _looks(Watcher(store))
    assert [next(looks), next(looks)] == [0, -1]
    monkeypatch.setattr(hub_module, "_AT_LEAST", 0.0)
    assert next(looks) == 0


def test_a_look_that_could_not_read_everything_goes_on_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "KEPT", 3)
    for _ in range(4):
        make(store)
    looks = _looks(Watcher(store))
    assert [next(looks) for _ in range(3)] == [3, 1, -1]


def test_a_look_that_failed_is_made_up_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> list[Event]:
        raise StoreError("The disk is gone.")

    watcher = Watcher(store)
    with monkeypatch.context() as patched:
        patched.setattr(store.events, "after", broken)
        with pytest.raises(StoreError):
            watcher.look(0, {None}, 1, hurry=False)
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
            while not hub.told(listener, 0):
                await asyncio.sleep(0.005)
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
            for listener in (first, second, exports, everything):
                await _woken(listener)
            store.control.pause(one.pk, store.clock())
            await _woken(first)
            await _woken(everything)
            assert not second.wake.is_set()
            assert not exports.wake.is_set()
            assert [told.job for told in hub.told(everything, seq)] == [one.id]
            assert hub.told(second, seq) == hub.told(exports, seq) == []

    _run(scenario)


def test_what_a_listener_has_read_by_itself_is_not_overtaken_by_what_is_older(store: Store) -> None:
    async def scenario() -> None:
        hub = Hub(store, every=0.005)
        job = make(store)
        begin(store, job)
        seq = store.events.last()
        early, late = Listener(), Listener()
        with hub.listening(early, seq):
            await _woken(early)
            assert [each.job for each in hub.snapshots(early)] == [job.id]
            with hub.listening(late, seq):
                assert hub.snapshots(late) == []
                await _woken(late)  # though nothing has changed
                assert [each.job for each in hub.snapshots(late)] == [job.id]

    _run(scenario)


def test_only_the_last_events_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "KEPT", 3)

    async def scenario() -> None:
        hub, listener = Hub(store, every=0.005), Listener()
        with hub.listening(listener, 0):
            for _ in range(4):
                make(store)
            while hub.seq < store.events.last():
                await asyncio.sleep(0.005)
            kept = [told.seq for told in hub.told(listener, 0)]
            assert kept == [each.seq for each in store.events.after(0, 100)][-3:]
            assert hub.behind(kept[0] - 2)
            assert not hub.behind(kept[0] - 1)

    _run(scenario)


def test_a_stopped_hub_lets_nobody_wait(store: Store) -> None:
    async def scenario() -> None:
        hub, early, late = Hub(store, every=0.005), Listener(), Listener()
        with hub.listening(early, 0):
            await asyncio.to_thread(hub.stop)
            while not early.closed:
                await _woken(early)
        with hub.listening(late, 0):
            assert late.closed

    _run(scenario)


def test_an_error_nobody_foresaw_ends_the_streams_instead_of_leaving_them_silent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        hub, listener = Hub(store, every=0.005), Listener()
        with monkeypatch.context() as patched:
            patched.setattr(Watcher, "look", lambda *_, **__: 1 / 0)
            with hub.listening(listener, 0):
                while not listener.closed:
                    await _woken(listener)
        again = Listener()
        with hub.listening(again, 0):
            await _woken(again)
            assert not again.closed

    _run(scenario)
