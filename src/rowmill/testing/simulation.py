"""The real engine on virtual time: hours of backing off pass in milliseconds, and a seed repeats a run exactly.

::

    job = new_job(store, ({"Name": str(n)} for n in range(100)), Settings(concurrency=5))
    action = simulate(lambda runtime: Engine(store, store.join(), runtime).run(job, [processor]), seed=7)
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterable, Mapping
from random import Random
from typing import Any, TypeVar

import orjson

from rowmill.core.job import Job, JobDraft, Settings, Step
from rowmill.core.money import Price
from rowmill.core.status import JobType
from rowmill.ledger.store import Store

T = TypeVar("T")

EPOCH = 1_000_000.0
"""Unix seconds at which virtual time starts: small, so that floating point keeps it exact to the nanosecond."""


class Deadlock(AssertionError):
    """Everything waits, and nothing is left that could ever happen."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while anything is ready, and else jumps to the next timer."""

    def __init__(self, now: float = 0.0) -> None:
        self._virtual = now
        super().__init__(_Jumping(self._pass))

    def time(self) -> float:
        return self._virtual

    def _pass(self, seconds: float) -> None:
        self._virtual += seconds


class _Jumping(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise Deadlock("Nothing is scheduled any more, and not everything is done.")
        if not ready and timeout:
            self._jump(timeout)
        return ready


class SimulatedRuntime:
    """A ``Runtime`` on a ``VirtualLoop``. Store calls run inline, each after and before a random virtual delay of up
    to ``latency`` seconds; those that save come one after the other, as the real runtime's do."""

    def __init__(self, seed: int, latency: float = 0.0) -> None:
        self.random = Random(seed)  # noqa: S311 - a simulation
        self._chance = Random(seed + 1)  # noqa: S311
        self._latency = latency
        self._saving = asyncio.Lock()

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def save(self, function: Callable[..., T], *args: Any) -> T:
        async with self._saving:
            return await self._run(function, *args)

    async def load(self, function: Callable[..., T], *args: Any) -> T:
        return await self._run(function, *args)

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        await self._lag()
        try:
            return function(*args)
        finally:
            await self._lag()

    async def _lag(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, self._latency) if self._latency else 0)


def simulate(main: Callable[[SimulatedRuntime], Coroutine[Any, Any, T]], seed: int = 0, latency: float = 0.0) -> T:
    """Runs ``main`` on virtual time to its end. Raises ``Deadlock`` where it would wait for ever."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(SimulatedRuntime(seed, latency)))
    finally:
        loop.close()


def new_job(
    store: Store,
    rows: Iterable[Mapping[str, Any]],
    settings: Settings | None = None,
    steps: int = 1,
    price: Price | None = None,
    **draft: Any,
) -> Job:
    """A pending enrichment job over ``rows``, which all have the same columns; each of its steps has ``price``.
    ``draft`` replaces fields of its ``JobDraft``; its processors are whatever ``Engine.run`` is given."""
    lines = [dict(row) for row in rows]
    dataset = store.datasets.begin("simulated", "nobody", EPOCH)
    store.datasets.add(dataset, 1, [orjson.dumps(list(line.values())).decode() for line in lines])
    store.datasets.seal(dataset, list(lines[0]), len(lines), f"{dataset}")
    fields: dict[str, Any] = {
        "type": JobType.ENRICHMENT,
        "name": "simulated",
        "dataset": dataset,
        "selection": [(1, len(lines))],
        "steps": [Step(f"step {number}", "python", {}, {f"out{number}": {}}, price=price) for number in range(steps)],
        "settings": settings or Settings(),
        "identity": "",
    }
    return store.browse.job(store.control.insert(JobDraft(**{**fields, **draft}), EPOCH))
