"""``Client`` and ``AsyncClient``: the same resources, over a transport of each kind."""

from types import TracebackType
from typing import Generic

from rowmill.client.address import Address
from rowmill.client.calls import M
from rowmill.client.datasets import Datasets
from rowmill.client.files import Files
from rowmill.client.jobs import Jobs
from rowmill.client.server import Connections, Events, MonthlyLimits, Tokens, UsageOf, Webhooks, Workers
from rowmill.client.transport import Async, Sync


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

    async def close(self) -> None:
        """Gives up its connections."""
        await self._transport.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _sync_http(address: Address) -> Sync:
    from rowmill.client.http_sync import SyncHttp  # noqa: PLC0415 - each kind of client loads its own library only

    return SyncHttp(address)


def _async_http(address: Address) -> Async:
    from rowmill.client.http_async import AsyncHttp  # noqa: PLC0415 - likewise

    return AsyncHttp(address)
