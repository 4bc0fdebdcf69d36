"""Tells webhooks of events: makes deliveries of what has happened, sends what is due, records what became of it.

Any number of processes may do so on one store. What was sent may be sent again after a crash, always under the same id.
"""

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from functools import partial

import aiohttp

from rowmill.core.errors import RowmillError
from rowmill.engine.runtime import RealRuntime, Runtime
from rowmill.ledger.store import Store
from rowmill.webhooks.deliveries import Deliveries
from rowmill.webhooks.delivery import Delivery, DeliveryAttempt, Webhook, rule
from rowmill.webhooks.payload import payload_of
from rowmill.webhooks.request import Answer, open_sender, post
from rowmill.webhooks.service import signing_secrets
from rowmill.webhooks.signature import headers

TIMEOUT = 10.0
"""Seconds that a receiver has to answer, connecting included."""
POLL = 0.5
"""Seconds between looks at the store."""

_AT_ONCE = 32
_AT_ONCE_EACH = 4
_RECORDING = 60.0
"""Seconds more than the timeout for which a delivery is claimed: longer than the store ever takes to record a try."""

_log = logging.getLogger(__name__)
_Claimed = list[tuple[Delivery, Webhook]]


class WebhookSender:
    """``allow_private`` says whether addresses that are not of the public internet may be called; ``timeout`` is in
    seconds; up to ``at_once`` deliveries are under way, and few of them to one webhook."""

    def __init__(
        self,
        store: Store,
        *,
        allow_private: bool = False,
        timeout: float = TIMEOUT,
        at_once: int = _AT_ONCE,
        runtime: Runtime | None = None,
    ) -> None:
        self._store = store
        self._threads: RealRuntime | None = None
        if runtime is None:
            runtime = self._threads = RealRuntime()
        self._runtime: Runtime = runtime
        self._allow_private = allow_private
        self._timeout = timeout
        self._at_once = at_once
        self._under_way: Counter[str] = Counter()
        self._sending: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._name = ""

    async def run(self) -> None:
        """Sends until it is told to stop, then lets what is under way end, which the timeout bounds. What is under way
        when it is cancelled is sent again by the next."""
        self._loop = asyncio.get_running_loop()
        self._name = self._store.register()
        async with open_sender(allow_private=self._allow_private) as session:
            try:
                while not self._stopping:
                    self._woken.clear()
                    await self._look(session)
                    await self._idle()
                await asyncio.gather(*self._sending, return_exceptions=True)
            finally:
                await self._leave()

    def stop(self) -> None:
        """Lets ``run`` begin nothing new and end. May be called from any thread."""
        self._stopping = True
        self.notify()

    def notify(self) -> None:
        """Says that something has happened that is to be told at once. May be called from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._woken.set)

    async def _look(self, session: aiohttp.ClientSession) -> None:
        """Begins to send what is due."""
        try:
            claimed, more = await self._runtime.save(self._claim, Counter(self._under_way))
        except RowmillError as error:
            _log.error("webhooks wait: the store fails", extra={"code": error.code, "error": error.message})
            return
        if more:
            self._woken.set()
        for delivery, webhook in claimed:
            self._under_way[webhook.id] += 1
            task = asyncio.create_task(self._deliver(session, delivery, webhook))
            self._sending.add(task)
            task.add_done_callback(partial(self._ended, webhook.id))

    def _claim(self, under_way: Counter[str]) -> tuple[_Claimed, bool]:
        """What is to be sent now, and whether there may be more."""
        now = self._runtime.now()
        Deliveries(self._store.database).free(self._store.presence, now)
        more = Deliveries(self._store.database).enqueue(partial(payload_of, self._store), now)
        room = self._at_once - under_way.total()
        lease = self._timeout + _RECORDING
        return Deliveries(self._store.database).due(self._name, now, room, lease, _AT_ONCE_EACH, under_way), more

    async def _idle(self) -> None:
        """Waits until it is time to look again, or there is a reason to."""
        waits = [asyncio.ensure_future(self._woken.wait()), asyncio.ensure_future(self._runtime.sleep(POLL))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _leave(self) -> None:
        """Ends what is still under way without recording it, leaves that to others, and ends the threads."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        self._store.presence.deregister(self._name)
        if self._threads is not None:
            self._threads.close()

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Delivery, webhook: Webhook) -> None:
        """One try, recorded."""
        at = self._runtime.now()
        answer = await self._send(session, delivery, webhook, at)
        now = self._runtime.now()
        attempt = DeliveryAttempt(at, max(0.0, now - at), answer.status, answer.error)
        ruling = rule(delivery, attempt, answer.retry_after, self._runtime.random)
        await self._runtime.save(Deliveries(self._store.database).record, delivery, webhook.url, attempt, ruling, now)

    async def _send(self, session: aiohttp.ClientSession, delivery: Delivery, webhook: Webhook, now: float) -> Answer:
        try:
            keys = await self._runtime.load(signing_secrets, self._store, webhook, now)
        except RowmillError as error:
            return Answer(None, str(error))
        body = delivery.payload.encode()
        signed = headers(delivery.id, now, body, keys)
        return await post(session, webhook.url, body, signed, within=self._timeout, now=now)

    def _ended(self, webhook: str, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._under_way[webhook] -= 1
        self._woken.set()  # there is room for another
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a delivery was not recorded: it will be sent again", exc_info=error, extra={"webhook": webhook})
