"""Figures for Prometheus, through its client library: of jobs from the store, of requests from the server."""

import asyncio
import logging
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rowmill.core.money import dollars
from rowmill.core.status import JobStatus, JobType
from rowmill.http.problems import STATUS_OF
from rowmill.ledger.store import Store

_log = logging.getLogger("rowmill.http")
_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The figures of one server."""

    def __init__(self, store: Store) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_FromStore(store))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Histogram(
            "rowmill_http_request_duration_seconds",
            "Seconds from a request to the last byte of its response; event streams are left out.",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def exposed(self) -> tuple[bytes, str]:
        """The figures in Prometheus' text format, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).observe(seconds)


class _FromStore(Collector):
    """Read when they are asked for, so that they also tell of jobs that other processes work."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[Metric]:
        return []  # else registering would read the store

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("rowmill_jobs", "Jobs by type and status.", labels=["type", "status"])
        counts = {(type_, status): count for type_, status, count in self._store.browse.how_many()}
        for type_ in JobType:
            for status in JobStatus:
                jobs.add_metric([type_, status], counts.get((type_, status), 0))
        yield jobs
        used = self._store.usage.total("", "9999-12-31")
        for name, said, amount in (
            ("rowmill_rows", "Enrichment rows that an attempt settled; a row that is retried counts again.", used.rows),
            ("rowmill_attempts", "Attempts made on enrichment rows.", used.attempts),
            ("rowmill_tokens_in", "Tokens sent to models.", used.tokens_in),
            ("rowmill_tokens_out", "Tokens returned by models.", used.tokens_out),
            ("rowmill_cost_dollars", "Cost of these tokens in dollars, where the price is known.", dollars(used.cost)),
        ):
            yield CounterMetricFamily(name, said, amount)
        workers = sum(engine.alive for engine in self._store.browse.engines())
        yield GaugeMetricFamily(
            "rowmill_workers",
            "Engines that are alive: one in each worker, and one in each command that works a job.",
            workers,
        )


class Observer:
    """ASGI middleware that counts answers and logs them: changes and errors as they are, what only reads when asked for
    details."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        except asyncio.CancelledError:
            status = STATUS_OF["unavailable"]  # as it is told when the server stops
            raise
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        if not route.endswith("/events"):
            self._metrics.answered(scope["method"], route, status, seconds)
        level = logging.DEBUG if scope["method"] == "GET" else logging.INFO
        level = logging.ERROR if status == 500 else level
        if _log.isEnabledFor(level):
            places = scope.get("path_params") or {}
            told = {"method": scope["method"], "path": scope["path"], "status": status, "seconds": round(seconds, 4)}
            told |= {"job": places["job_id"]} if "job_id" in places else {}
            told |= {"row": places["number"]} if "number" in places and "job" in told else {}
            _log.log(level, "request", extra=told)
