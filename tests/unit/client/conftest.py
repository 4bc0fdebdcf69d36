"""A client of each kind, blocking and async, of a server over real HTTP."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop

from rowmill.api.app import create_app
from rowmill.api.live.hub import Hub
from rowmill.client import AsyncClient, Client
from rowmill.http.context import Context
from rowmill.http.metrics import Metrics
from rowmill.http.policy import Policy
from rowmill.ledger.opening import open_store
from rowmill.tokens.service import TokenAuthenticator
from rowmill.worker.worker import Worker
from tests.support.deadline import DEADLINE

from . import shop
from .blocking import Blocking


@contextmanager
def server(home: Path) -> Iterator[str]:
    """The API and a worker on the store in ``home``; gives the URL."""
    functions = tuple(f"{shop.__name__}:{name}" for name in ("mood", "held"))
    with closing(open_store(home)) as store, closing(open_store(home)) as own, closing(socket.socket()) as bound:
        hub = Hub(store)
        worker = Worker(own, grace=0.0)
        context = Context(
            store, store.join(), TokenAuthenticator(store), Metrics(store), Policy(functions), wake=worker.notify
        )
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        config = uvicorn.Config(
            create_app(context, hub), log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        serving = uvicorn.Server(config)
        runs = (serving.serve([bound]), worker.run())
        threads = [threading.Thread(target=uvloop.run, args=(run,), daemon=True) for run in runs]
        for thread in threads:
            thread.start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            hub.stop()
            serving.should_exit = True
            worker.release()
            for thread in threads:
                thread.join(DEADLINE)


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the shell that runs the tests counts: no key, no model, no proxy, no server."""
    monkeypatch.setenv("ROWMILL_HOME", str(tmp_path / "home"))
    for name in ("ROWMILL_STORE", "ROWMILL_MODEL", "ROWMILL_URL", "ROWMILL_TOKEN", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def gate() -> Iterator[threading.Event]:
    """Held rows are let go at the end of the test at the latest."""
    shop.GATE.clear()
    yield shop.GATE
    shop.GATE.set()


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that all tests share."""
    with server(tmp_path_factory.mktemp("served")) as url:
        yield url


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, url: str) -> Iterator[Any]:
    """A client of each kind, which blocks. Both have the same methods."""
    if request.param == "sync":
        with Client(url) as client:
            yield client
        return
    loop = asyncio.new_event_loop()
    made = loop.run_until_complete(_async_client(url))
    yield Blocking(made, loop)
    loop.run_until_complete(made.close())
    loop.close()


async def _async_client(url: str) -> AsyncClient:
    return AsyncClient(url)
