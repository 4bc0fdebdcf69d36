"""``Client`` and ``AsyncClient``: the same resources, over a transport of each kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Unpack

from rowmill.client.address import Address
from rowmill.client.datasets import Datasets
from rowmill.client.enrichment import Enrichment
from rowmill.client.files import Files
from rowmill.client.jobs import Job, Jobs
from rowmill.client.server import Connections, Events, MonthlyLimits, Tokens, UsageOf, Webhooks, Workers
from rowmill.client.tables import Table
from rowmill.client.transport import Async, Sync
from rowmill.client.verbs import M
from rowmill.core.errors import UsageError

if TYPE_CHECKING:
    from rowmill.local.store import LocalStore


class Resources(Generic[M]):
    """What a server or a store has."""

    def __init__(self, transport: M) -> None:
        self._transport = transport
        self.jobs: Jobs[M] = Jobs(transport)
        self.files: Files[M] = Files(transport)
        self.datasets: Datasets[M] = Datasets(transport)
        self.connections: Connections[M] = Connections(transport)
        self.tokens: Tokens[M] = Tokens(transport)
        self.limits: MonthlyLimits[M] = MonthlyLimits(transport)
        self.usage: UsageOf[M] = UsageOf(transport)
        self.webhooks: Webhooks[M] = Webhooks(transport)
        self.workers: Workers[M] = Workers(transport)
        self.events: Events[M] = Events(transport)


class Client(Resources[Sync]):
    """A client of the server at ``url`` (else ``ROWMILL_URL``, else this machine's), with the ``token`` (else
    ``ROWMILL_TOKEN``). Use it as a context manager, or close it. It may be used by several threads."""

    def __init__(self, url: str | None = None, token: str | None = None, *, transport: Sync | None = None) -> None:
        super().__init__(transport or _sync_http(Address.of(url, token)))

    @classmethod
    def local(cls, home: str | Path | None = None) -> "Client":
        """The same verbs without a server, on the store in ``home`` (else ``ROWMILL_HOME``). Jobs that are made or
        resumed through it are worked in a thread of this process, until it is closed; they can be gone on with then.
        Nothing else in the store is touched. Raises ``UsageError`` where the extra ``serve`` is not installed."""
        local = local_store(home)
        from rowmill.local.transport import SyncLocal  # noqa: PLC0415 - needs an extra

        return cls(transport=SyncLocal(local))

    def close(self) -> None:
        """Gives up its connections."""
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Resources[Async]):
    """Like ``Client``, in an event loop."""

    def __init__(self, url: str | None = None, token: str | None = None, *, transport: Async | None = None) -> None:
        super().__init__(transport or _async_http(Address.of(url, token)))

    @classmethod
    def local(cls, home: str | Path | None = None) -> "AsyncClient":
        """See ``Client.local``. It blocks for a moment."""
        local = local_store(home)
        from rowmill.local.transport import AsyncLocal  # noqa: PLC0415 - needs an extra

        return cls(transport=AsyncLocal(local))

    async def close(self) -> None:
        """Gives up its connections."""
        await self._transport.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def enrich(
    input: Table,  # noqa: A002 - the word of the command line
    *,
    home: str | Path | None = None,
    new: bool = False,
    progress: bool = True,
    **options: Unpack[Enrichment],
) -> Job[Sync]:
    """Sends every row of ``input`` through a model, an HTTP API or a function, here, and gives the completed job::

        job = rowmill.enrich("reviews.csv", prompt="Good or bad? {{review}}", output={"mood": "good | bad"},
                             model="openai/gpt-5-mini")
        job.results().to_polars()

    ``input`` is a file's path, the name of a dataset, dicts, or a frame of polars, pandas or Arrow; what is done to the
    rows: see ``Enrichment``. ``function`` may be any function, but a lambda or one of a script or notebook is known to
    that alone. The store is that in ``home`` (else ``ROWMILL_HOME``), as for the command line.

    The same call again (same content, rows, work) goes on with its unfinished job, also after a crash, and gives a
    completed one again for free; ``new`` starts afresh. ``progress`` is shown on stderr. Ctrl-C pauses the job.

    Raises ``UsageError`` where something cannot work, and ``JobStopped`` where the job did not complete: it failed, or
    a limit paused it. Rows that failed raise nothing: they are in the results with their errors.
    """
    with needing_serve():
        from rowmill.local.enrich import run  # noqa: PLC0415 - needs an extra

    return run(input, options, home=home, new=new, progress=progress)


def local_store(home: str | Path | None) -> "LocalStore":
    """Opens the store at ``home``. Raises ``UsageError`` where the extra ``serve`` is not installed."""
    with needing_serve():
        from rowmill.local.store import LocalStore  # noqa: PLC0415 - needs an extra

    return LocalStore(Path(home) if home else None)


@contextmanager
def needing_serve() -> Iterator[None]:
    """Says what is missing where an import fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("rowmill"):
            raise
        hint = "Install it with: pip install 'rowmill[serve]'"
        raise UsageError(f"A local store needs {error.name} to be used from Python.", hint) from error


def _sync_http(address: Address) -> Sync:
    from rowmill.client.http_sync import SyncHttp  # noqa: PLC0415 - each kind of client loads its own library only

    return SyncHttp(address)


def _async_http(address: Address) -> Async:
    from rowmill.client.http_async import AsyncHttp  # noqa: PLC0415 - likewise

    return AsyncHttp(address)
