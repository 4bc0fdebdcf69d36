"""What every route works with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Protocol, cast

from fastapi import Depends, Request

from rowmill.core.access import Caller
from rowmill.http.metrics import Metrics
from rowmill.http.policy import Policy
from rowmill.ledger.store import Store


class Authenticator(Protocol):
    def caller(self, token: str) -> Caller | None:
        """Whose ``token`` this is; ``None`` if it is not valid."""
        ...

    def required(self) -> bool:
        """Whether any token exists, so that every request needs one."""
        ...


def _nothing() -> None: ...


@dataclass(slots=True)
class Context:
    """``open`` says whether requests are answered without a token while none is configured: only where the server is
    reached from this machine alone. ``engine`` is the name under which what is taken in is held until a job has it;
    ``wake`` tells the worker that there may be work, ``working`` whether it is alive."""

    store: Store
    engine: str
    authenticator: Authenticator
    metrics: Metrics
    policy: Policy = field(default_factory=Policy)
    open: bool = True
    wake: Callable[[], None] = _nothing
    working: Callable[[], bool] = lambda: True


# Asynchronous although they await nothing: any other dependency takes a turn of its own in the thread pool.


async def _context(request: Request) -> Context:
    return cast("Context", request.app.state.context)


async def _store(request: Request) -> Store:
    return cast("Context", request.app.state.context).store


ContextDep = Annotated[Context, Depends(_context)]
StoreDep = Annotated[Store, Depends(_store)]
