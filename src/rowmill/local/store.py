"""A local store with the application over it, both in a thread of this process."""

import asyncio
import re
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from rowmill.api.app import create_app
from rowmill.api.live.hub import Hub
from rowmill.client.errors import ClientError
from rowmill.client.exchange import Request
from rowmill.core.access import Access, Caller
from rowmill.core.status import JobStatus
from rowmill.http.access import caller
from rowmill.http.context import Context
from rowmill.http.metrics import Metrics
from rowmill.http.policy import Policy
from rowmill.ledger.opening import open_store
from rowmill.local.asgi import Call
from rowmill.local.crew import LocalWorker
from rowmill.tokens.service import TokenAuthenticator

T = TypeVar("T")

_STEERED = re.compile(r"/v1/jobs/(job_[a-z0-9]+)/(start|resume|retry)")
_open: "weakref.WeakSet[LocalStore]" = weakref.WeakSet()


class LocalStore:
    """``home`` is a directory, else ``ROWMILL_HOME``. Its methods may be called from any thread; ``close`` leaves the
    jobs that it works as they stand, to be gone on with."""

    def __init__(self, home: Path | None = None) -> None:
        self.store = open_store(home)
        self._crew_store = open_store(home)  # so that neither waits for what the other reads
        self._hub = Hub(self.store)
        self.context = Context(
            self.store, self.store.register(), TokenAuthenticator(self.store), Metrics(self.store), Policy(trusted=True)
        )
        self._app = create_app(self.context, self._hub)
        # Whoever runs this process may do everything, whatever tokens the store has for others.
        self._app.dependency_overrides[caller] = lambda: Caller("", Access.ADMIN)
        self._loop = uvloop.new_event_loop()
        self._guard = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="rowmill-local", daemon=True)
        self._thread.start()
        self._crew = self.call(self._hire())
        self.context.wake = lambda: self._soon(self._crew.look)
        _open.add(self)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs it in the thread's event loop and waits for it. Raises ``ClientError`` where the store is closed."""
        future = self._scheduled(coroutine)
        try:
            return future.result()
        except CancelledError:
            raise _was_closed() from None
        except BaseException:
            future.cancel()  # Ctrl-C: nobody waits for it any more
            raise

    async def call_async(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The same, from another event loop."""
        future = self._scheduled(coroutine)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if self._closed and future.cancelled():
                raise _was_closed() from None
            raise

    async def begin(self, request: Request) -> Call:
        """Sends ``request`` through the application; gives it as soon as it is answered."""
        call = Call(self._app, request)
        try:
            await call.begun()
        except BaseException:
            await call.close()
            raise
        if call.status < 300:
            self._note(request, call)
        return call

    async def is_abandoned(self, job_id: str) -> bool:
        """Whether a job waits for an engine, and neither this process works it nor does another live that might."""
        here = [each._crew for each in list(_open)]
        if any(crew.holds(job_id) for crew in here):
            return False
        return await asyncio.to_thread(self._waits_in_vain, job_id, {crew.engine for crew in here})

    def work(self, job_id: str) -> None:
        """Works this job, in the background."""
        self._soon(lambda: self._crew.work(job_id))

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Saves what is in flight, within bounds, and lets go of everything."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            last = asyncio.run_coroutine_threadsafe(self._wind_down(), self._loop)
        self._hub.stop()
        last.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.store.leave(self.context.engine)
        self.store.close()
        self._crew_store.close()

    def _scheduled(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        with self._guard:  # so that nothing comes behind the last
            if self._closed:
                coroutine.close()
                raise _was_closed()
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _soon(self, function: Callable[[], object]) -> None:
        with self._guard:
            if not self._closed:
                self._loop.call_soon_threadsafe(function)

    async def _wind_down(self) -> None:
        await self._crew.release()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    def _waits_in_vain(self, job_id: str, own: set[str]) -> bool:
        browse = self.store.browse
        job = browse.job_by_id(job_id)
        waits = job is not None and (job.status is JobStatus.PENDING or job.interrupted)
        return waits and not any(engine.alive and engine.id not in own for engine in browse.engines())

    async def _hire(self) -> LocalWorker:
        return LocalWorker(self._crew_store)

    def _note(self, request: Request, call: Call) -> None:
        """What was made here, or told to go on, is worked here; what others do in the same store is theirs."""
        if request.method != "POST":
            return
        if request.path == "/v1/jobs":
            self._crew.work(call.headers["location"].rpartition("/")[2])
        elif updated := _STEERED.fullmatch(request.path):
            self._crew.work(updated[1])


def _was_closed() -> ClientError:
    return ClientError("The store was closed.", "Open it again: Client.local()")


def close_all() -> None:
    """Closes every store that is still open."""
    for each in list(_open):
        with suppress(RuntimeError):
            each.close()


# Before the interpreter lets its thread pools go, which is before atexit: jobs are saved by them.
threading._register_atexit(close_all)  # type: ignore[attr-defined]
