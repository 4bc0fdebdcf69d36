"""What the engine's tests share: a processor that plays a function, and a job that is worked on virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from inspect import isawaitable
from typing import Any

from rowmill.core.job import Job, Settings
from rowmill.core.outcome import Done, Outcome
from rowmill.core.status import Action
from rowmill.engine.engine import Engine
from rowmill.ledger.store import Store
from rowmill.testing.simulation import EPOCH, SimulatedRuntime, new_job, simulate

Play = Callable[[int], Outcome | Awaitable[Outcome]]


class Player:
    """Plays ``play`` of the row's number, and remembers when each call began (seconds) with which row."""

    def __init__(self, play: Play, *, key: str | None = None, most: int | None = None, weight: int = 0) -> None:
        self.limit_key, self.max_concurrency = key, most
        self.calls: list[tuple[float, int]] = []
        self.in_flight: set[int] = set()
        self.peak = 0
        self._play, self._weight = play, weight

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def weigh(self, values: Mapping[str, Any]) -> int:
        return self._weight

    async def process(self, values: Mapping[str, Any]) -> Outcome:
        number = values["n"]
        self.calls.append((asyncio.get_running_loop().time(), number))
        self.in_flight.add(number)
        self.peak = max(self.peak, len(self.in_flight))
        try:
            outcome = self._play(number)
            return await outcome if isawaitable(outcome) else outcome
        finally:
            self.in_flight.discard(number)

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.calls]


def done(number: int) -> Outcome:
    return Done({"out": number})


async def after(seconds: float, outcome: Outcome) -> Outcome:
    await asyncio.sleep(seconds)
    return outcome


def job_of(store: Store, rows: int, settings: Settings | None = None, steps: int = 1, **draft: Any) -> Job:
    return new_job(store, ({"n": number} for number in range(1, rows + 1)), settings, steps, **draft)


def work(
    store: Store,
    job: Job,
    *players: Player,
    beside: Callable[[Engine], Coroutine[Any, Any, None]] | None = None,
    seed: int = 0,
    latency: float = 0.0,
    patience: float = 4000.0,
) -> Action:
    """Works ``job`` on a new engine, with ``beside`` running next to it; fails after ``patience`` virtual seconds."""

    async def main(runtime: SimulatedRuntime) -> Action:
        name = store.join()
        engine = Engine(store, name, runtime)
        other = asyncio.create_task(beside(engine)) if beside else None
        try:
            async with asyncio.timeout(patience):
                return await engine.run(job, players)
        finally:
            if other:
                other.cancel()
            store.leave(name)

    return simulate(main, seed, latency)


def requested_action(store: Store, action: str, job: Job, at: float) -> Callable[[Engine], Coroutine[Any, Any, None]]:
    """Says ``action`` of ``job`` after ``at`` seconds, as another process would."""

    async def say(_: Engine) -> None:
        await asyncio.sleep(at)
        getattr(store.control, action)(job.pk, EPOCH + at)

    return say


def now(store: Store, job: Job) -> Job:
    """The job as it stands in the store."""
    return store.browse.job(job.pk)
