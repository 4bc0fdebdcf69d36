"""``rowmill serve``: the API, a worker and the sender of webhooks in one process.

The API runs in the main thread's event loop, the worker in that of a thread of its own: a function that blocks the
worker's loop does not stop the API from answering. Each has a store of its own, so that neither waits for the other's
reads.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
import uvloop
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rowmill.api.app import create_app
from rowmill.api.chores import chores
from rowmill.api.context import Context
from rowmill.api.hub import Hub
from rowmill.api.metrics import Metrics
from rowmill.api.policy import Policy, is_loopback
from rowmill.api.problems import problem_response
from rowmill.api.protocol import Protocol
from rowmill.model.errors import UsageError
from rowmill.service import files, tokens
from rowmill.service.webhook_sender import WebhookSender
from rowmill.service.worker import Worker
from rowmill.store.opening import open_store
from rowmill.store.store import Store

_log = logging.getLogger("rowmill.serve")
_DISCONNECT = 3
"""Seconds that answers under way are given when the server stops."""

_BACKLOG = 2048
"""Connections that wait to be accepted."""

_RESTART = 5.0
"""Seconds after which a worker that ended by an error is started again."""

_COLLECT_AFTER = 100_000
_LAST = 8.0
"""Seconds after the grace at which the process ends however it stands; what is not saved then is tried again."""


@dataclass(frozen=True, slots=True)
class Options:
    """``jobs`` is how many are worked at a time, ``grace`` how many seconds rows in flight are given when the server
    stops; ``hosts`` and ``origins`` are as for ``create_app``."""

    host: str = "127.0.0.1"
    port: int = 8642
    jobs: int = 4
    grace: float = 10.0
    policy: Policy = field(default_factory=Policy)
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    home: Path | None = None


def serve(options: Options, tell: Callable[[str], None]) -> int:
    """Serves until SIGTERM or SIGINT; ``tell`` is told where once it answers. Returns the exit code. Raises
    ``UsageError`` where it may not, or cannot, be reached at that address."""
    with contextlib.closing(open_store(options.home)) as store, contextlib.closing(open_store(options.home)) as own:
        _check_address(store, options.host)
        with _bound(options) as bound:
            return _Serving(store, own, options, bound, tell).run()


def _check_address(store: Store, host: str) -> None:
    if not is_loopback(host) and not tokens.any_active(store):
        raise UsageError(
            f"Without a token the server answers on this machine only, and {host} can be reached from others.",
            "Make one: rowmill tokens create NAME --scope admin",
        )


@contextlib.contextmanager
def _bound(options: Options) -> Iterator[socket.socket]:
    """A listening socket. Raises ``UsageError`` where the address is taken or none of this machine's."""
    try:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"{options.host} is no address to serve at: {error.strerror}.", "Choose another.") from error
    with bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
            bound.listen(_BACKLOG)  # at once: until then another server could bind to it, too
        except OSError as error:
            message = f"{options.host} port {options.port} cannot be served at: {error.strerror}."
            raise UsageError(message, "Choose another: --port N") from error
        yield bound


class _Server(uvicorn.Server):
    """Leaves signals to us and says when it answers."""

    def __init__(self, config: uvicorn.Config, answering: Callable[[], None]) -> None:
        super().__init__(config)
        self._answering = answering

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._answering()


class Ending:
    """ASGI middleware. A request that is still under way when the server stops is told so; its thread may go on until
    the process ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, note)
        except asyncio.CancelledError:  # uvicorn cancels what takes longer, and logs what comes of that as an error
            if not begun:
                response = problem_response("unavailable", "The server stops.", "Send it again when it is back.")
                with contextlib.suppress(asyncio.CancelledError):
                    await response(scope, receive, send)


class _Serving:
    def __init__(
        self, store: Store, own: Store, options: Options, bound: socket.socket, tell: Callable[[str], None]
    ) -> None:
        self._options = options
        self._bound = bound
        self._tell = tell
        self._store = store
        self._hub = Hub(store)
        self._background = Background(own, options.jobs, options.grace, private=options.policy.private)
        self._context = Context(
            store,
            store.appear(),
            self._hub,
            Metrics(store),
            options.policy,
            open=is_loopback(options.host),
            wake=self._background.notify,
            working=self._background.is_alive,
        )
        app = create_app(self._context, hosts=options.hosts, origins=options.origins)
        app.openapi()  # now, not while the first request waits for it: queries are checked against it
        config = uvicorn.Config(
            Ending(app),
            http=Protocol,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_DISCONNECT,
        )
        self._server = _Server(config, self._answers)
        self._interrupts = 0

    def run(self) -> int:
        # Rows make no cycles, but so many objects that the collector would take a fifth of the time to find that out.
        gc.set_threshold(_COLLECT_AFTER)
        files.sweep_unfinished(self._store)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                signal.signal(number, self._stop)
        self._background.start()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._server.serve([self._bound]))
        finally:
            self._background.stop()
            self._background.join(self._options.grace + _LAST)
            self._store.leave(self._context.engine)
        if self._background.is_alive() or self._background.stubborn:
            os._exit(0)
        return 0

    def _answers(self) -> None:
        host, port = self._bound.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        _log.info("serving", extra={"host": host, "port": port})
        self._tell(f"Rowmill serves http://{shown}:{port}. Ctrl-C ends it; its jobs go on at the next start.")

    def _stop(self, number: int, _: object) -> None:
        self._interrupts += 1
        if self._interrupts > 2:
            os._exit(130)
        if self._interrupts == 2:
            self._background.stop(at_once=True)
            return
        last = threading.Timer(self._options.grace + _LAST, os._exit, (0,))
        last.daemon = True
        last.start()
        self._background.stop()
        self._hub.stop()
        self._server.should_exit = True


class Background(threading.Thread):
    """The worker and the sender of webhooks, in an event loop of their own."""

    def __init__(self, store: Store, jobs: int, grace: float, *, private: bool = False) -> None:
        super().__init__(name="rowmill-worker", daemon=True)
        self._store = store
        self._jobs = jobs
        self._grace = grace
        self._private = private
        self._stopping = threading.Event()
        self.stubborn = False
        """Something would not end, and only the end of the process ends it."""

        self._make()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                # Not a runner that waits for every task left: one that swallows its cancellation would never let go.
                uvloop.new_event_loop().run_until_complete(self._work())
            except Exception:  # noqa: BLE001 - whatever it is, the jobs must go on
                _log.exception("the worker ended by an error and is started again")
                self._stopping.wait(_RESTART)
                self._make()

    def notify(self) -> None:
        """There may be work. From any thread."""
        self._worker.notify()
        self._sender.notify()

    def stop(self, *, at_once: bool = False) -> None:
        """Lets what is in flight end, within bounds, or aborts it ``at_once``. From any thread, also from a signal's
        handler."""
        self._stopping.set()
        self._worker.release(at_once=at_once)
        self._sender.stop()

    def _make(self) -> None:
        self._worker = Worker(self._store, jobs=self._jobs, grace=self._grace, chores=chores(self._store))
        self._sender = WebhookSender(self._store, allow_private=self._private)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sender.run())
            self.stubborn = not await self._worker.run()
            self._sender.stop()
