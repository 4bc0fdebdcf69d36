"""A store of its own for each test, and the API over it; no engine works its jobs unless a test asks for ``worker``."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from rowmill.api.app import create_app
from rowmill.api.live.hub import Hub
from rowmill.connections import service as connections
from rowmill.core.access import Access
from rowmill.http.context import Context
from rowmill.http.metrics import Metrics
from rowmill.http.request_guard import RequestLimits
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from rowmill.testing import ModelServer
from rowmill.tokens import service as tokens
from rowmill.tokens.service import TokenAuthenticator
from rowmill.worker.worker import Worker
from tests.support.deadline import DEADLINE
from tests.support.serving import Api, served


@pytest.fixture
def home(tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store's place. Nothing of the shell that runs the tests counts: no key, no model."""
    place = tmp_path / "home"
    shutil.copytree(empty_home, place)
    monkeypatch.setenv("ROWMILL_HOME", str(place))
    for name in ("ROWMILL_STORE", "ROWMILL_MODEL", "ROWMILL_SECRET_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return place


@pytest.fixture
def here(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which a user works, with the store apart from it."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def count(store: Store) -> Callable[[str], int]:
    return lambda table: int(store.database.read(f"SELECT count(*) FROM {table}")[0][0])


@pytest.fixture
def reviews(here: Path) -> Path:
    """A table of four rows."""
    path = here / "reviews.csv"
    path.write_text("id,Review\n1,fine\n2,bad\n3,good\n4,awful\n")
    return path


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    store = open_store(home)
    yield store
    store.close()


@pytest.fixture
def engine(store: Store) -> str:
    """The name under which the test itself works jobs."""
    return store.join()


@pytest.fixture
def hub(store: Store) -> Iterator[Hub]:
    hub = Hub(store)
    yield hub
    hub.stop()


@pytest.fixture
def context(store: Store) -> Context:
    """What the routes work with. To be changed before ``api`` is asked for, or while it serves."""
    return Context(store, store.register(), TokenAuthenticator(store), Metrics(store))


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The description of the whole API."""
    store = open_store(tmp_path_factory.mktemp("described"))
    described: dict[str, Any] = create_app(
        Context(store, "", TokenAuthenticator(store), Metrics(store)), Hub(store)
    ).openapi()
    store.close()
    return described


@pytest.fixture
def limits() -> RequestLimits:
    """How long clients are waited for; a test that needs other limits parametrizes this."""
    return RequestLimits()


@pytest.fixture
def app(context: Context, hub: Hub, limits: RequestLimits) -> FastAPI:
    return create_app(context, hub, limits=limits)


@pytest.fixture
def api(app: FastAPI, document: dict[str, Any]) -> Iterator[Api]:
    """The API as it is without any token, on this machine."""
    with served(app) as url:
        yield Api(url, document)


@pytest.fixture
def token(store: Store) -> Callable[[Access], str]:
    """Makes a token of that scope; gives what must be sent."""
    return lambda scope: tokens.create(store, f"for {scope}", scope)[1]


@pytest.fixture
def guarded(api: Api, token: Callable[[Access], str]) -> Api:
    """The same API once there are tokens; sends one that may do everything."""
    return api.with_token(token(Access.ADMIN))


@pytest.fixture
def worker(home: Path, context: Context) -> Iterator[Worker]:
    """A worker on the same store, as ``rowmill serve`` has it, woken by the API."""
    store = open_store(home)
    worker = Worker(store, grace=0.0)
    thread = threading.Thread(target=lambda: asyncio.run(worker.run()), daemon=True)
    thread.start()
    context.wake = worker.notify
    yield worker
    worker.release()
    thread.join(DEADLINE)
    store.close()


@pytest.fixture
def models(store: Store) -> Iterator[ModelServer]:
    """A provider of models that counts what it is asked, reached over the connection ``models``."""
    with ModelServer(latency=0.005) as server:
        connections.add(store, "models", "openai", base_url=server.url, key="sk-for-tests")
        yield server
