"""``rowmill serve``: the API and the sender of webhooks, in one event loop, with a worker in a child process."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import uvicorn
import uvloop
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rowmill.api.app import create_app
from rowmill.api.live.hub import Hub
from rowmill.api.protocol import Protocol
from rowmill.core.errors import UsageError
from rowmill.files import service as files
from rowmill.http.context import Context
from rowmill.http.metrics import Metrics
from rowmill.http.policy import Policy, is_loopback
from rowmill.http.problems import problem_response
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from rowmill.tokens import service as tokens
from rowmill.webhooks.sender import WebhookSender
from rowmill.worker.main import WorkerOptions
from rowmill.worker.process import STOP_TIMEOUT, WorkerProcess
from rowmill.worker.shutdown import call_after, handle_signals

_log = logging.getLogger("rowmill.serve")
_DISCONNECT = 3
"""Seconds that answers under way are given when the server stops."""

_BACKLOG = 2048
"""Connections that wait to be accepted."""

_FILES = 65_536
"""Files and connections that it may have open, where the user may."""

_WORKER_START = 5.0
"""Seconds to wait for the worker before announcing the address. The server already answers meanwhile."""

_POLL_INTERVAL = 0.02

_RESTART = 5.0
"""Seconds after which a sender of webhooks that ended by an error is started again."""


@dataclass(frozen=True, slots=True)
class Options:
    """``worker`` configures the worker process, which ``no_worker`` leaves out; ``hosts`` and ``origins`` are as for
    ``create_app``."""

    host: str = "127.0.0.1"
    port: int = 8642
    worker: WorkerOptions = field(default_factory=WorkerOptions)
    no_worker: bool = False
    policy: Policy = field(default_factory=Policy)
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()


def serve(options: Options, tell: Callable[[str], None]) -> int:
    """Serves until SIGTERM or SIGINT; ``tell`` is told where once it answers. Returns the exit code. Raises
    ``UsageError`` where it may not, or cannot, be reached at that address."""
    _allow_many_files()
    with contextlib.closing(open_store()) as store:
        _check_address(store, options.host)
        with _bound(options) as bound, _worker(options) as worker:
            return _Serving(store, worker, options, bound, tell).run()


def _allow_many_files() -> None:
    """As many files and connections as this user may have: the limit for who asks for nothing is small."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


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


@contextlib.contextmanager
def _worker(options: Options) -> Iterator[WorkerProcess]:
    """A worker process, which starts while the API is made ready; never started with ``no_worker``."""
    worker = WorkerProcess(options.worker)
    if not options.no_worker:
        worker.start()
    try:
        yield worker
    finally:
        worker.end(options.worker.grace + STOP_TIMEOUT)


class _Server(uvicorn.Server):
    """Leaves signals to us and calls ``answering`` when it answers."""

    def __init__(self, config: uvicorn.Config, answering: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._answering = answering

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            await self._answering()


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
        self, store: Store, worker: WorkerProcess, options: Options, bound: socket.socket, tell: Callable[[str], None]
    ) -> None:
        self._options = options
        self._bound = bound
        self._tell = tell
        self._store = store
        self._hub = Hub(store)
        self._worker = worker
        self._sender = self._new_sender()
        self._context = Context(
            store,
            store.register(),
            tokens.TokenAuthenticator(store),
            Metrics(store),
            options.policy,
            open=is_loopback(options.host),
            wake=self._wake,
            working=lambda: self._worker.running or options.no_worker,
        )
        self._app = create_app(self._context, self._hub, hosts=options.hosts, origins=options.origins)
        config = uvicorn.Config(
            Ending(self._app),
            http=Protocol,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_DISCONNECT,
        )
        self._server = _Server(config, self._answers)

    def run(self) -> int:
        gc.freeze()  # what has been made so far stays: the collector would look it through while a request waits
        files.sweep_unfinished(self._store)
        handle_signals(self._stop, self._abort, self._kill)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        finally:
            self._store.presence.deregister(self._context.engine)
        return 0

    async def _serve(self) -> None:
        sending = asyncio.create_task(self._send_webhooks())
        await self._server.serve([self._bound])
        self._sender.stop()
        await asyncio.wait({sending})

    async def _send_webhooks(self) -> None:
        while not self._server.should_exit:
            try:
                await self._sender.run()
            except Exception:  # noqa: BLE001 - whatever it is, there is more to send
                _log.exception("the sender of webhooks ended by an error and is started again")
                await asyncio.sleep(_RESTART)
                self._sender = self._new_sender()

    def _new_sender(self) -> WebhookSender:
        return WebhookSender(self._store, allow_private=self._options.policy.private)

    def _wake(self) -> None:
        self._worker.notify()
        self._sender.notify()

    async def _answers(self) -> None:
        # Now, not while the first request that is checked against it waits.
        await asyncio.to_thread(self._app.openapi)
        until = time.monotonic() + _WORKER_START
        while not self._context.working() and time.monotonic() < until:
            if self._server.should_exit:
                return
            await asyncio.sleep(_POLL_INTERVAL)
        host, port = self._bound.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        _log.info("serving", extra={"host": host, "port": port})
        self._tell(f"Rowmill serves http://{shown}:{port}. Ctrl-C ends it; its jobs go on at the next start.")

    def _stop(self) -> None:
        self._worker.stop()
        self._sender.stop()
        self._hub.stop()
        self._server.should_exit = True
        call_after(self._options.worker.grace + STOP_TIMEOUT, self._give_up)  # last: it may find no thread to be had

    def _abort(self) -> None:
        self._worker.abort()
        call_after(STOP_TIMEOUT, self._give_up)

    def _kill(self) -> None:
        self._worker.kill()
        os._exit(130)

    def _give_up(self) -> None:
        """Ends both processes. What is not saved is tried again."""
        self._worker.end(0.0)
        os._exit(0)
