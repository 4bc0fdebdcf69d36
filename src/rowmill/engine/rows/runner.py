"""Runs one job under one claim, from its first row to its last or to whatever stops it.

One loop, the pump: gather what has come in, choose what starts next, commit both in one transaction, start the calls.
While a commit is under way other calls end and are gathered for the next one (group commit).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from rowmill.core.commit import Batch, Claim, ControlState, Start
from rowmill.core.errors import StoreError
from rowmill.core.job import Job, JobError
from rowmill.core.outcome import RetryLater
from rowmill.core.status import Action, PauseReason
from rowmill.engine.item import AttemptResult, Item
from rowmill.engine.rows.attempt import attempt
from rowmill.engine.rows.feeder import Feeder
from rowmill.engine.rows.gatekeeper import Gatekeeper
from rowmill.engine.rows.settle import Settler
from rowmill.engine.rows.slots import Slots
from rowmill.engine.runtime import Runtime
from rowmill.engine.stop import Stop, Stopper, endings, finish
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Processor

BackgroundTask = Callable[[], Awaitable[None]]

_POLL_INTERVAL = 0.05
"""Seconds between two looks at what others want of the job."""

_GRACE = 5.0
"""Seconds after which a call that was told to end, and does not, is given up."""

_RATE_SAMPLE_INTERVAL = 10.0
"""Seconds between two notes of how far the job is: its rate is that of the last one or two of them."""


class Runner:
    """``processors`` are those of the job's steps, in order, and open. ``ending`` says afterwards how it ended."""

    def __init__(
        self, store: Store, claim: Claim, job: Job, processors: Sequence[Processor], feeder: Feeder, runtime: Runtime
    ) -> None:
        self._ledger = store.ledger
        self._claim = claim
        self._runtime = runtime
        self._processors = processors
        self._feeder = feeder
        self._settings = job.settings
        self._gatekeeper = Gatekeeper(processors, job, claim, store, runtime)
        self._settler = Settler(job, runtime.random, feeder.input_hash)
        self._stopper = Stopper()
        self._slots = Slots()
        self._finished: list[AttemptResult] = []
        self._wake = asyncio.Event()
        self._background: dict[str, asyncio.Task[None]] = {}
        self._background_error: BaseException | None = None
        self._store_failed = False
        self._aborting = False
        self._commits = 0
        self._begun: dict[asyncio.Task[AttemptResult], tuple[int, Item, float]] = {}
        self._aborted_at: float | None = None
        self.ending: Stop | None = None

    def abort(self) -> None:
        """Stops at once: calls in flight are aborted, what has come in is saved, and the job is paused."""
        self._stopper.demand(Stop(Action.PAUSE, PauseReason.USER))
        self._aborting = True
        self._wake.set()

    def release(self, *, at_once: bool = False) -> None:
        """Stops as soon as what is in flight is saved, or ``at_once`` aborts that; the job waits for another engine."""
        self._stopper.demand(Stop(Action.RELEASE))
        self._aborting = self._aborting or at_once
        self._wake.set()

    async def run(self) -> Action:
        """Works the job until it stops; returns the action that stopped it.

        Raises ``ClaimLost`` when another process took the job over and ``StoreError`` when not even the stop could be
        saved.
        """
        try:
            await self._look()
        except StoreError as error:
            self._fail(error)
        looking = asyncio.create_task(self._poll())
        try:
            return await self._pump()
        finally:
            self._slots.abort()
            tasks = [looking, *self._background.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if calls := self._slots.calls:
                await asyncio.wait(calls, timeout=_GRACE)

    async def _pump(self) -> Action:
        while True:
            self._wake.clear()
            self._raise_background_error()
            finished, self._finished = self._finished, []
            batch = self._gather(finished)
            items = self._choose(batch, [result.slot for result in finished])
            if batch:
                await self._commit(batch, finished, items)
            elif action := await self._ended():
                return action
            else:
                await self._rest()

    def _raise_background_error(self) -> None:
        """What went wrong beside the pump ends the job; if it was the store, not before what is in flight is saved."""
        trouble, self._background_error = self._background_error, None
        if isinstance(trouble, StoreError):
            self._fail(trouble)
        elif trouble:
            raise trouble

    def _gather(self, finished: Sequence[AttemptResult]) -> Batch:
        """What the attempts that have come in change in the ledger."""
        batch = self._settler.settle(finished, self._settings.max_attempts, self._runtime.now())
        for stop in (self._settler.stop, self._gatekeeper.stop):
            if stop:
                self._stopper.demand(stop)
        return batch

    def _choose(self, batch: Batch, emptied: Sequence[int]) -> list[Item]:
        """Fills slots with what starts next, those first that this very commit empties."""
        now = self._runtime.now()
        self._slots.offer(emptied)
        items: list[Item] = []
        while not self._stopper.stop and self._slots.in_flight + len(items) < self._gatekeeper.concurrency:
            item = self._feeder.peek(now, self._slots.in_flight + len(items))
            if item is None or not self._gatekeeper.admits(item, now, self._slots.in_flight + len(items)):
                break
            self._feeder.take(item)
            self._gatekeeper.begin(item)
            items.append(item)
            batch.starts.append(Start(self._slots.take(), item.task))
        batch.freed = self._slots.keep(emptied)
        batch.chunks = self._feeder.touched()
        if not self._stopper.stop:
            if self._feeder.needs_refill:
                self._send("read ahead", self._feeder.read_ahead)
            if self._gatekeeper.needs_refill:
                self._send("limits", self._gatekeeper.refresh)
        return items

    async def _commit(self, batch: Batch, finished: Sequence[AttemptResult], items: Sequence[Item]) -> None:
        """Saves ``batch``; only then do its calls start."""
        try:
            state = await self._runtime.save(self._ledger.commit, self._claim, batch)
        except StoreError as error:
            await self._save_once_more(error, finished)
            return
        items_of = {}
        for result in finished:
            items_of[result.item.task.number] = result.item
            self._feeder.settled(result.item.task.number)
            self._gatekeeper.saved(result.item)
        for postponed in batch.postponed:
            self._feeder.put_off(postponed.due, items_of[postponed.due.task.number])
        for start, item in zip(batch.starts, items, strict=True):
            self._begin(start.slot, item)
        self._commits += 1
        self._follow(state)

    async def _save_once_more(self, error: StoreError, finished: Sequence[AttemptResult]) -> None:
        """The store fails: waits for the calls in flight, so that one last commit can save all that was paid for."""
        if self._store_failed:
            raise error
        self._store_failed = True
        self._settler.ignore_spikes()
        self._fail(error)
        await asyncio.gather(*self._slots.calls, return_exceptions=True)
        self._finished = [*finished, *self._finished]

    def _fail(self, error: StoreError) -> None:
        self._stopper.demand(Stop(Action.FAIL, error=JobError.of(error)))

    def _begin(self, slot: int, item: Item) -> None:
        processor = self._processors[item.task.step]
        call = asyncio.create_task(attempt(slot, item, processor, self._settings.timeout, self._runtime))
        self._slots.begin(slot, call)
        self._begun[call] = (slot, item, self._runtime.now())
        call.add_done_callback(lambda ended: self._end(slot, item, ended))

    def _end(self, slot: int, item: Item, call: asyncio.Task[AttemptResult]) -> None:
        if not self._slots.holds(slot, call):
            return  # it was given up
        # A call that is aborted before its first step ends as cancelled; any other turns that into an outcome.
        result = AttemptResult(slot, item, None, self._runtime.now(), 0.0) if call.cancelled() else call.result()
        self._close(call, result)

    def _close(self, call: asyncio.Task[AttemptResult], result: AttemptResult) -> None:
        slot, item, _ = self._begun.pop(call)
        self._gatekeeper.end(item, result.outcome)
        self._finished.append(result)
        self._slots.end(slot)
        self._wake.set()

    def _abandon_unresponsive_calls(self) -> None:
        """Goes on without calls that do not end although they were told to: a plugin may swallow its cancellation."""
        now = self._runtime.now()
        for call, (slot, item, began) in list(self._begun.items()):
            aborted = self._aborted_at is not None
            told_at = self._aborted_at if self._aborted_at is not None else began + self._settings.timeout
            if now > told_at + _GRACE:
                said = f"The call did not end {_GRACE:g} seconds after its timeout."
                outcome = None if aborted else RetryLater("timeout", said)
                self._close(call, AttemptResult(slot, item, outcome, began, now - began))

    def _abort_calls(self) -> None:
        if self._aborted_at is None:
            self._aborted_at = self._runtime.now()
        self._slots.abort()

    async def _ended(self) -> Action | None:
        """Ends the execution where nothing is in flight and nothing more will start."""
        stop = self._stopper.stop
        if stop and (stop.action is Action.CANCEL or self._aborting):
            self._abort_calls()
        if self._slots.in_flight or self._finished:
            return None
        if stop is None and not self._feeder.exhausted:
            return None
        # Without a reason, only rows that were touched before had to be done (`retry --failed-only`): the rest waits.
        for ending in endings(stop or Stop(Action.PAUSE, PauseReason.USER)):
            if await finish(self._ledger, self._claim, ending, self._runtime):
                self.ending = ending
                return ending.action
        return None

    async def _rest(self) -> None:
        """Waits until something comes in, or until a row or a limit is due."""
        now = self._runtime.now()
        moments = [self._feeder.next_due(), self._gatekeeper.wake_at(now)]
        ahead = [moment - now for moment in moments if moment is not None and moment > now]
        alarm = asyncio.create_task(self._ring(min(ahead))) if ahead else None
        try:
            await self._wake.wait()
        finally:
            if alarm:
                alarm.cancel()

    async def _ring(self, delay: float) -> None:
        await self._runtime.sleep(delay)
        self._wake.set()

    async def _poll(self) -> None:
        """Follows what is requested of the job, and what other processes met, for as long as the job runs."""
        mark_at = self._runtime.now() + _RATE_SAMPLE_INTERVAL
        while True:
            await self._runtime.sleep(_POLL_INTERVAL)
            self._send("limits", self._gatekeeper.refresh)  # which wakes the pump
            self._abandon_unresponsive_calls()
            try:
                if (now := self._runtime.now()) >= mark_at:
                    mark_at = now + _RATE_SAMPLE_INTERVAL
                    await self._runtime.save(self._ledger.mark, self._claim, now)
                await self._look()
            except Exception as error:  # noqa: BLE001 - the pump faces it
                self._background_error = error
                self._wake.set()

    async def _look(self) -> None:
        commits, settings = self._commits, self._settings
        state = await self._runtime.load(self._ledger.poll_control, self._claim)
        if commits == self._commits:  # else a commit may have brought a newer one
            self._follow(state)
            if state.requested_action or state.settings != settings:
                self._wake.set()

    def _follow(self, state: ControlState) -> None:
        self._settings = state.settings
        self._gatekeeper.update_settings(state.settings)
        self._gatekeeper.limit(state.limits)
        self._stopper.request(state.requested_action)

    def _send(self, name: str, errand: BackgroundTask) -> None:
        """Runs ``errand`` beside the pump, one of each name at a time."""
        if name not in self._background:
            self._background[name] = asyncio.create_task(self._run_errand(name, errand))

    async def _run_errand(self, name: str, errand: BackgroundTask) -> None:
        try:
            await errand()
        except Exception as error:  # noqa: BLE001 - the pump raises it
            self._background_error = error
        finally:
            del self._background[name]
            self._wake.set()
