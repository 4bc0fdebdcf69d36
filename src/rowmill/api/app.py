"""The application: its routes, what stands before them, and how it describes itself."""

import importlib
from importlib.metadata import version
from threading import Lock
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from rowmill.api.live.hub import Hub
from rowmill.http import problems
from rowmill.http.access import HostOriginMiddleware
from rowmill.http.context import Context
from rowmill.http.head import Head
from rowmill.http.metrics import Observer
from rowmill.http.query import check_query
from rowmill.http.request_guard import DEFAULT_LIMITS, RequestGuard, RequestLimits
from rowmill.shapes.events import JobEvent
from rowmill.shapes.jobs import Job, JobSummary
from rowmill.shapes.problems import Problem
from rowmill.shapes.tokens import NewToken, Token
from rowmill.shapes.webhooks import NewWebhook, Webhook
from rowmill.webhooks.routes import told

_LARGEST = 1 << 20
"""Bytes of a request, where the route itself says nothing else."""

_ROUTES = (
    "rowmill.connections.routes",
    "rowmill.api.routes.datasets",
    "rowmill.api.routes.events",
    "rowmill.files.routes",
    "rowmill.api.routes.jobs",
    "rowmill.api.routes.results",
    "rowmill.api.routes.rows",
    "rowmill.api.routes.system",
    "rowmill.tokens.routes",
    "rowmill.usage.routes",
    "rowmill.webhooks.routes",
)

_DESCRIPTION = """
Batch jobs over tables: every row goes through a model, an HTTP API or a function, durably and in parallel.

Errors are problem documents (RFC 9457) with a stable `code`. Lists are pages: give `next_cursor` back as `cursor`.
A POST that makes something takes an `Idempotency-Key`; what can be changed has an `ETag`, which `If-Match` checks.
"""


def create_app(
    context: Context,
    hub: Hub,
    *,
    hosts: frozenset[str] = frozenset(),
    origins: frozenset[str] = frozenset(),
    limits: RequestLimits = DEFAULT_LIMITS,
) -> FastAPI:
    """The application. ``hosts`` are names under which it is reached besides its addresses, ``origins`` those whose
    pages may call it from a browser (CORS)."""
    app = FastAPI(
        title="Rowmill",
        version=version("rowmill"),
        description=_DESCRIPTION,
        docs_url=None,  # both load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        webhooks=told,
    )
    app.state.context = context
    app.state.hub = hub
    problems.install(app)
    app.add_middleware(RequestGuard, limits=limits)  # first, so that every other one has a part in what it answers
    for name in _ROUTES:
        router = importlib.import_module(name).router
        # A limit of the app itself would be beyond the reach of `problems`.
        app.include_router(router, max_body_size=_LARGEST, dependencies=[Depends(check_query)])
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            allow_methods=["*"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Last-Event-ID"],
            expose_headers=["ETag", "Location", "Idempotent-Replayed"],
        )
    app.add_middleware(HostOriginMiddleware, hosts=hosts, origins=origins)
    app.add_middleware(Observer, metrics=context.metrics)
    app.add_middleware(Head)
    _describe(app)
    return app


def _operation_id(route: APIRoute) -> str:
    """The route's own name: a generated client's methods are called by it."""
    return route.name


def _describe(app: FastAPI) -> None:
    """Puts the error document and that of an event among the schemas: no route's answer is of these types as far as
    FastAPI knows."""
    generated = app.openapi
    lock = Lock()

    def openapi() -> dict[str, Any]:
        with lock:  # it takes a while, and is done once
            return described(generated())

    def described(document: dict[str, Any]) -> dict[str, Any]:
        schemas = document["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        if "Problem" not in schemas:
            _, found = TypeAdapter.json_schemas(
                [(shape, "serialization", TypeAdapter(shape)) for shape in (Problem, JobEvent)],
                ref_template="#/components/schemas/{model}",
            )
            schemas.update({**found["$defs"], **schemas})
            schemas["Problem"]["properties"]["code"]["enum"] = sorted(problems.STATUS_OF)
            # Pydantic reads docstrings of a shape's own attributes only, not of those that it inherits.
            for shape, base in ((Job, JobSummary), (NewToken, Token), (NewWebhook, Webhook)):
                schemas[shape.__name__]["properties"] |= schemas[base.__name__]["properties"]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
