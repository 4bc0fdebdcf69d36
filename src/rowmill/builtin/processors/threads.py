"""Runs plain functions off the event loop, cheaply, in threads that never keep the process alive.

``asyncio.to_thread`` joins its threads at exit, so that one function that hangs would hang Ctrl-C too; and it wakes the
loop once for each call. Here calls that finish together wake it once, and a second thread is started only when the
first has not caught up within a moment, so that quick functions all run in one.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from rowmill.plugins.contracts import CALL_THREADS

_PATIENCE = 0.001
"""Seconds that a call waits for a thread to become free before another is started."""
_MOST_THREADS = 1000

_Future = asyncio.Future[Any]


class CallThreads:
    """Runs ``function`` once per call. Belongs to the event loop in which it is made. A cancelled call leaves its
    thread to finish alone, and other calls go to other threads."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[tuple[_Future, Any] | None] = SimpleQueue()
        self._results: deque[tuple[_Future, Callable[[Any], None], Any]] = deque()
        self._waking = False
        self._unfinished = 0
        self._threads = 0
        self._growing: asyncio.TimerHandle | None = None

    def call(self, argument: Any) -> _Future:
        """Starts one call; the future gets what the function returns, or ``RuntimeError`` where it raises."""
        future = self._loop.create_future()
        self._unfinished += 1
        self._calls.put((future, argument))
        if not self._threads:
            self._start_thread()
        elif self._growing is None:
            self._growing = self._loop.call_later(_PATIENCE, self._grow)
        return future

    def close(self) -> None:
        """Lets the threads end, each after the call it is in."""
        if self._growing is not None:
            self._growing.cancel()
        for _ in range(self._threads):
            self._calls.put(None)

    def _grow(self) -> None:
        """Never more threads than calls: whatever cannot be taken now is waiting for a busy one."""
        self._growing = None
        most = min(self._unfinished, _MOST_THREADS)
        for _ in range(min(self._calls.qsize(), most - self._threads)):
            self._start_thread()

    def _start_thread(self) -> None:
        self._threads += 1
        threading.Thread(target=self._work, name=f"{CALL_THREADS}-{self._threads}", daemon=True).start()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            self._run(*call)
            if not self._waking:
                self._waking = True
                try:
                    self._loop.call_soon_threadsafe(self._deliver)
                except RuntimeError:  # the loop has been closed: nobody waits for this result
                    return

    def _run(self, future: _Future, argument: Any) -> None:
        try:
            result = None if future.cancelled() else self._function(argument)
            self._results.append((future, future.set_result, result))
        except BaseException as error:  # noqa: BLE001 - a thread that died would leave its caller waiting for ever
            # A future takes no StopIteration, and a SystemExit would end the loop.
            failure = RuntimeError(f"The call ended with {type(error).__name__}.")
            failure.__cause__ = error
            self._results.append((future, future.set_exception, failure))

    def _deliver(self) -> None:
        self._waking = False  # before the first result is taken: one that comes later wakes the loop again
        results = self._results
        while results:
            future, settle, result = results.popleft()
            self._unfinished -= 1
            if not future.done():
                settle(result)
