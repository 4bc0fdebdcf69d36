"""What every route works with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from rowmill.api.metrics import Metrics
from rowmill.api.policy import Policy
from rowmill.store.store import Store

if TYPE_CHECKING:
    from rowmill.api.hub import Hub


def _nothing() -> None: ...


@dataclass(slots=True)
class Context:
    """``open`` says whether requests are answered without a token while none is configured: only where the server is
    reached from this machine alone. ``engine`` is the name under which what is taken in is held until a job has it;
    ``wake`` tells the worker that there may be work, ``working`` whether it is alive."""

    store: Store
    engine: str
    hub: "Hub"
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
