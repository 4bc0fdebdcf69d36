"""One simulated life of a job: engines that die at any await and are followed by others, a user who changes their mind,
a store that fails now and then, and a processor that knows every way to end. All of it follows from the seed."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from shutil import copytree
from typing import Any, TypeVar, cast

from rowmill.core.errors import RowmillError, StoreError
from rowmill.core.job import Job, Settings
from rowmill.core.money import Price
from rowmill.core.outcome import Done, Failed, Outcome, RetryLater, StopJob, Usage
from rowmill.core.status import JobStatus, PauseReason
from rowmill.db.sqlite.database import SQLiteDatabase
from rowmill.db.sqlite.presence import SQLitePresence
from rowmill.engine.engine import Engine
from rowmill.ledger.opening import open_store
from rowmill.testing.simulation import EPOCH, SimulatedRuntime, VirtualLoop, new_job

from .checker import Broken, Checker

T = TypeVar("T")

CRASHES = 4
STALLED = 600.0
"""Virtual seconds without any call or commit after which an engine is taken to hang; nothing scripted waits so long."""


class Killed(SystemExit):
    """``kill -9``: leaves the event loop between two of its handles, with no clean-up."""


class Dead(BaseException):
    """What a dead process's coroutines get when they reach for the world."""


class MortalLoop(VirtualLoop):
    """Dies before its handle number ``lifetime``."""

    def __init__(self, now: float, lifetime: int | None) -> None:
        super().__init__(now)
        self.lifetime = lifetime

    # How a callback and its arguments fit together is nothing to a loop that only counts.
    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return super().call_soon(self._live, callback, *args, context=context)

    def _live(self, callback: Callable[..., object], *args: Any) -> None:
        if self.lifetime is not None:
            self.lifetime -= 1
            if self.lifetime < 0:
                self.lifetime = None
                self.call_soon(callback, *args)  # for those who put the dead away
                raise Killed
        callback(*args)


class MortalRuntime(SimulatedRuntime):
    """Its store fails when ``faults`` says so; a dead one reaches the store no more."""

    def __init__(self, seed: int, latency: float, faults: Random | None) -> None:
        super().__init__(seed, latency)
        self._faults = faults
        self.dead = False

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        def call() -> T:
            if self.dead:
                raise Dead
            if self._faults and self._faults.random() < 0.01:
                raise StoreError("The disk is full.", "Free some.")
            return function(*args)

        return await super()._run(call)


@dataclass
class Script:
    """What a processor's calls come to, drawn anew for every seed."""

    chance: Random
    gated: bool
    stops: int
    weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wild = self.chance.choice([0.02, 0.1, 0.3])
        kinds = ["failed", "flaky", "patient", "slow", "raises", "cancels"]
        self.weights = {"done": 1.0, **{kind: wild * self.chance.random() for kind in kinds}}
        if self.gated:
            self.weights |= {"refused": wild * self.chance.random(), "refused until": wild * self.chance.random()}
        self.scale = self.chance.choice([0.01, 0.2, 1.0])

    async def play(self, values: Mapping[str, Any]) -> Outcome:
        kind = self.chance.choices(list(self.weights), list(self.weights.values()))[0]
        if self.stops and self.chance.random() < 0.01:
            self.stops -= 1
            kind = "stop"
        await asyncio.sleep(100.0 if kind == "slow" else self.chance.expovariate(1 / self.scale))
        return self._outcome(kind, values)

    def _outcome(self, kind: str, values: Mapping[str, Any]) -> Outcome:
        used = Usage(self.chance.randrange(20), self.chance.randrange(20))
        match kind:
            case "failed":
                return Failed("bad", "This row is bad.", used)
            case "flaky":
                return RetryLater("flaky", "Try again.", usage=used)
            case "patient":
                return RetryLater("flaky", "Try again later.", after=self.chance.uniform(0, 5))
            case "refused":
                return RetryLater("rate_limited", "Too many.", gate=True)
            case "refused until":
                return RetryLater("rate_limited", "Too many.", after=self.chance.uniform(0, 5), gate=True)
            case "stop":
                return StopJob("key_refused", "The key was refused.")
            case "raises":
                raise ValueError("of itself")
            case "cancels":
                raise asyncio.CancelledError
        return Done({"out": values["n"]}, used, hold=self.chance.uniform(0, 2) if self.chance.random() < 0.01 else None)


class ScriptedProcessor:
    """Plays the script under the checker's eyes; what a dead engine's calls come to is seen by nobody."""

    def __init__(self, world: "World", runtime: MortalRuntime, step: int) -> None:
        self.limit_key = "key" if world.script.gated else None
        self.max_concurrency = world.max_concurrency
        self._world, self._runtime, self._step = world, runtime, step

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def weigh(self, values: Mapping[str, Any]) -> int:
        return 10

    async def process(self, values: Mapping[str, Any]) -> Outcome:
        if self._runtime.dead:
            raise Dead
        self._world.checker.call_begins(values["n"], self._step)
        return await self._world.script.play(values)


class World:
    """A store in ``home`` with one job, of which everything is drawn from ``seed``."""

    def __init__(self, seed: int, home: Path) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.loop: MortalLoop | None = None
        self.engine: Engine | None = None
        self.store = open_store(home)
        self.store.clock = self.now
        self.presence = cast("SQLitePresence", self.store.presence)
        cast("SQLiteDatabase", self.store.database)._writer.execute(
            "PRAGMA synchronous = OFF"
        )  # no power is cut here, processes only die
        self.steps = self.chance.choice([1, 1, 2])
        self.max_concurrency = self.chance.choice([None, None, None, 3])
        self.script = Script(Random(seed + 1), gated=self.chance.random() < 0.5, stops=self.chance.choice([0, 0, 2]))
        self.latency = self.chance.choice([0.0, 0.01, 0.2])
        self.faulty = self.chance.random() < 0.2
        settings = Settings(self.chance.randint(1, 10), self.chance.randint(1, 4), self.chance.choice([2.0, 60.0]))
        if self.script.gated and self.chance.random() < 0.3:
            settings = Settings(settings.concurrency, settings.max_attempts, settings.timeout, rpm=600)
        rows = ({"n": number} for number in range(1, self.chance.randint(20, 200) + 1))
        price = self.chance.choice([None, Price(1_000_000, 2_000_000)])
        self.job = new_job(self.store, rows, settings, self.steps, price)
        self.limited = self.chance.random() < 0.3
        self._raise_limit()
        self.checker = Checker(self.store, self.job.pk, gate_code="rate_limited")
        self.crashes = 0
        self.cancelled = False

    def now(self) -> float:
        return EPOCH + (self.loop.time() if self.loop else 0.0)

    def live(self) -> None:
        """Runs the job to its end, through crashes and requests."""
        while not self._over():
            self._engine_lives()
            self.checker.check()
        self.checker.check_end()

    @property
    def status(self) -> Job:
        return self.store.browse.job(self.job.pk)

    def _over(self) -> bool:
        """Says to a job that stopped what lets it go on; ``True`` where it is at its end."""
        job = self.status
        match job.status:
            case JobStatus.CANCELLED:
                assert self.cancelled
                return True
            case JobStatus.COMPLETED:
                if not job.counts.failed or self.chance.random() < 0.5:
                    return True
                self._say("retry")
            case JobStatus.PAUSED | JobStatus.FAILED:
                if self.cancelled:
                    raise Broken("The requested action to cancel was forgotten.")
                if job.pause_reason is PauseReason.USAGE_LIMIT:
                    self._raise_limit()
                self._say(self.chance.choice(["resume", "resume", "retry"]))
        return False

    def _raise_limit(self) -> None:
        """Lets more rows be worked than have been, where that is limited at all."""
        if self.limited:
            used = self.store.usage.month(self.now()).rows
            limit = max(self.store.usage.limits().rows or 0, used) + self.chance.choice([1, 3, 10, 50])
            self.store.usage.set_limits({"rows_per_month": limit})

    def _engine_lives(self) -> None:
        """From an engine's start to its end or death."""
        mortal = self.crashes < CRASHES
        self.loop = loop = MortalLoop(self.now() - EPOCH, int(self.chance.expovariate(1 / 1500)) if mortal else None)
        runtime = MortalRuntime(
            self.chance.randrange(1 << 30),
            self.latency,
            Random(self.chance.random()) if mortal and self.faulty else None,
        )
        engine = self.store.join()
        self.checker.engine_begins(self.status.settings.concurrency)
        try:
            loop.run_until_complete(self._work(engine, runtime, user=mortal))
            self.store.leave(engine)
        except Killed:
            self.crashes += 1
            self.presence._held.pop(engine).close()  # as the kernel does
            self._put_away(runtime, loop)
            self._say(self.chance.choice(["resume", "resume", "resume", "pause", "nothing"]))
        finally:
            self._put_away(runtime, loop)
            loop.close()

    @staticmethod
    def _put_away(runtime: MortalRuntime, loop: MortalLoop) -> None:
        """Ends the coroutines of a dead process where they can do nothing any more."""
        runtime.dead, loop.lifetime = True, None
        loop.set_exception_handler(lambda *_: None)  # nobody hears the dead
        with suppress(RuntimeError):  # it may have died on the point of stopping
            loop.run_until_complete(asyncio.sleep(0))
        if tasks := asyncio.all_tasks(loop):
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.wait(tasks, timeout=60.0))

    async def _work(self, engine: str, runtime: MortalRuntime, *, user: bool) -> None:
        processors = [ScriptedProcessor(self, runtime, step) for step in range(self.steps)]
        beside = [asyncio.create_task(self._watch_for_stalls())]
        if user:
            beside.append(asyncio.create_task(self._requested_action()))
        self.engine = Engine(self.store, engine, runtime)
        working = asyncio.create_task(self.engine.run(self.job, processors))
        done, _ = await asyncio.wait([working, *beside[:1]], return_when=asyncio.FIRST_COMPLETED)
        for task in beside:
            task.cancel()
        if working not in done:
            raise Broken("The engine hangs: nothing has happened for ten minutes.")
        try:
            await working
            self.checker.engine_ended()
        except RowmillError as error:
            self._died_of(error, engine)

    def _died_of(self, error: RowmillError, engine: str) -> None:
        """What the store refused brings the process down; any other error is one too many."""
        if not (isinstance(error, StoreError) and self.faulty) and self.status.status is JobStatus.RUNNING:
            raise Broken(f"The engine died of {error!r}.") from error
        self.crashes += 1
        self.presence._held.pop(engine).close()

    async def _watch_for_stalls(self) -> None:
        while self.now() < self.checker.alive_at + STALLED:
            await asyncio.sleep(STALLED / 10)

    async def _requested_action(self) -> None:
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / 4))
            often = {"pause": 4.0, "resume": 4.0, "update_settings": 6.0, "retry": 1.0, "limit": 1.0}
            requests = {**often, "cancel": 0.3, "abort": 0.5, "release": 0.5}
            self._say(self.chance.choices(list(requests), list(requests.values()))[0])

    def _say(self, action: str) -> None:
        """As a user would, from another process; what the job's status does not allow is refused."""
        control, now = self.store.control, self.now()
        with suppress(RowmillError):
            match action:
                case "pause":
                    control.pause(self.job.pk, now)
                case "resume":
                    control.resume(self.job.pk, now)
                    self.checker.wish_taken_back()
                case "cancel":
                    control.cancel(self.job.pk, now)
                    self.cancelled = True
                case "retry":
                    control.retry(self.job.pk, now, failed_only=self.chance.random() < 0.3)
                case "abort" if self.engine:
                    self.engine.abort()
                case "release" if self.engine:
                    self.engine.release()
                case "update_settings":
                    control.update(self.job.pk, {"concurrency": self.chance.randint(1, 10)})
                case "limit":
                    self._raise_limit()
        self.checker.concurrency_is(self.status.settings.concurrency)
        self.checker.check()


@contextmanager
def world(seed: int, template: Path, home: Path) -> Iterator[World]:
    """A world on a copy of the empty store ``template``; names its seed where anything goes wrong in it."""
    copytree(template, home)
    made = World(seed, home)
    try:
        yield made
    except BaseException as error:
        error.add_note(f"seed {seed}: replay it with `SEED={seed} pytest tests/simulation`")
        raise
    finally:
        made.store.close()
