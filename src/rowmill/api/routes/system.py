"""Whether the server is well, its figures, and who works."""

from fastapi import APIRouter, Response

from rowmill.http.access import READ
from rowmill.http.answers import Answer
from rowmill.http.context import ContextDep, StoreDep
from rowmill.http.paging import Cursor, Limit, Pager
from rowmill.http.problems import ApiError, responses
from rowmill.shapes.base import Page
from rowmill.shapes.workers import Health, Worker
from rowmill.worker.listing import worker_view

router = APIRouter(tags=["system"])


@router.get("/healthz", response_model=Health, responses=responses())
async def health() -> Answer:
    """Answers as long as the process does, even if every thread waits for something. Needs no token."""
    return Answer(Health())


@router.get("/readyz", response_model=Health, responses=responses("unavailable"))
def ready(context: ContextDep) -> Answer:
    """Answers when the store can be read and the worker is at work. Needs no token."""
    context.store.events.last()
    if not context.working():
        hint = "It is being started, or a function holds it up: the server's log says which."
        raise ApiError("unavailable", "The worker is not at work.", hint)
    return Answer(Health())


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[READ],
    responses={
        **responses(),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format."},
    },
)
def metrics(context: ContextDep) -> Response:
    """Figures for Prometheus."""
    content, media_type = context.metrics.exposed()
    return Response(content, media_type=media_type)


@router.get("/v1/workers", response_model=Page[Worker], dependencies=[READ], responses=responses("invalid_cursor"))
def list_workers(store: StoreDep, limit: Limit = 100, cursor: Cursor = None) -> Answer:
    """The engines that are known, each with the jobs that it holds."""
    pager = Pager("workers")
    after = pager.after(cursor, "")
    found = sorted((engine for engine in store.browse.engines() if engine.id > after), key=lambda engine: engine.id)
    return Answer(pager.page(found[: limit + 1], limit, lambda engine: engine.id, worker_view))
