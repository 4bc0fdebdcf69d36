"""Fills columns from the answer of an HTTP API: one request per row."""

import time
from collections.abc import Mapping
from typing import Any

import aiohttp
from yarl import URL

from rowmill.builtin.processors.http_request import InvalidRequest, Request, RequestTemplate, variables
from rowmill.builtin.processors.http_response import Response, ResponseReader, Results, quoted
from rowmill.core.outcome import Failed, Outcome, RetryLater
from rowmill.core.rate_headers import Clock
from rowmill.net.connection import in_words, innermost
from rowmill.net.public_socket import PrivateAddress
from rowmill.net.session import CONNECT_TIMEOUT, open_session

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_LONGEST_BODY = 16 * 1024 * 1024


class HttpProcessor:
    """``config``: ``url``, ``headers`` (by name) and ``body``, texts with ``{{Column}}`` variables; ``method`` (GET, or
    POST with a body); ``results`` (output columns to JSON paths, see ``Results``); ``allow_private`` (whether addresses
    that are not of the public internet may be called).

    Values are encoded for where they stand: in the URL, in a JSON body (see ``JsonBody``), in a form. A header may name
    an environment variable as ``${NAME}``, so that no secret is stored with the job. Redirects are followed within one
    origin; cookies and proxies are not used. Raises ``UsageError`` for what cannot work."""

    max_concurrency: int | None = None

    def __init__(
        self, config: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]], clock: Clock = time.time
    ) -> None:
        self._template = RequestTemplate(config)
        self._reader = ResponseReader(Results(outputs, config.get("results") or {}), self._template.secrets, clock)
        self._allow_private = bool(config.get("allow_private"))
        self._session: aiohttp.ClientSession | None = None
        origin = self._template.origin
        self.limit_key: str | None = f"http:{origin}" if origin else "http"

    @staticmethod
    def inputs(config: Mapping[str, Any]) -> tuple[str, ...]:
        """The columns that the templates name. Raises ``UsageError`` for braces that do not close."""
        return variables(config)

    async def open(self) -> None:
        self._session = open_session({}, public_only=not self._allow_private)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def process(self, values: Mapping[str, Any]) -> Outcome:
        """Sends one row's request and reads the answer."""
        try:
            request = self._template.render(values)
        except InvalidRequest as error:
            return Failed("invalid_request", str(error))
        response = await self._send(request)
        return self._reader.read(response) if isinstance(response, Response) else response

    def weigh(self, values: Mapping[str, Any]) -> int:
        return 0

    async def _send(self, request: Request) -> Response | Failed | RetryLater:
        server = _server(request.url)
        try:
            return await self._follow(request)
        except aiohttp.InvalidURL:  # its text repeats the URL
            return Failed("invalid_request", f"{server} is no address that can be called.")
        except TimeoutError:
            return RetryLater("timeout", f"{server} took no connection within {CONNECT_TIMEOUT:g} seconds.")
        except (aiohttp.ClientError, OSError) as error:
            cause = innermost(error)
            if isinstance(cause, PrivateAddress):
                hint = "if that is meant, allow it (--allow-private, or allow_private in the step)"
                return Failed("private_address", f"{server} is not on the public internet; {hint}.")
            words = self._reader.redacted(in_words(cause)).rstrip(".")
            return RetryLater("connection", f"The connection to {server} failed: {quoted(words)}.")

    async def _follow(self, request: Request) -> Response | Failed:
        """The answer at the end of the redirects, as long as they stay within the origin: headers and body are for no
        one else."""
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._call(request)
            location = response.header("location") if isinstance(response, Response) else None
            if not (isinstance(response, Response) and response.status in _REDIRECTS and location):
                return response
            target = _target(request.url, location)
            if target is None or target.origin() != request.url.origin():
                where = f"{target.scheme}://{_server(target)}" if target else "no valid address"
                return Failed("redirected", f"{response.server} redirects to {where}, where nothing is sent to.")
            request = _redirected(request, target, response.status)
        return Failed("redirected", f"{_server(request.url)} redirects more than {_MOST_REDIRECTS} times.")

    async def _call(self, request: Request) -> Response | Failed:
        assert self._session is not None, "open() comes before process()"
        async with self._session.request(
            request.method, request.url, headers=request.headers, data=request.body, allow_redirects=False
        ) as response:
            server = _server(request.url)
            body = await _bounded(response.content)
            if body is None:
                return Failed("too_large", f"{server} answered with more than {_LONGEST_BODY >> 20} MiB.")
            return Response(server, response.status, response.headers.get, body, response.charset or "utf-8")


async def _bounded(content: aiohttp.StreamReader) -> bytes | None:
    """The whole body, ``None`` where it is longer than any that is taken."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _LONGEST_BODY:
            return None
    return bytes(body)


def _target(base: URL, location: str) -> URL | None:
    try:
        target = base.join(URL(location))
    except ValueError:
        return None
    return target if target.scheme in ("http", "https") and target.host else None


def _redirected(request: Request, target: URL, status: int) -> Request:
    """As browsers do it: what was posted is not sent again, unless the status says so."""
    if not (status == 303 or (status in (301, 302) and request.method == "POST")):
        return Request(request.method, target, request.headers, request.body)
    headers = {name: value for name, value in request.headers.items() if name.lower() != "content-type"}
    return Request("GET", target, headers, None)


def _server(url: URL) -> str:
    return str(url.host_port_subcomponent)
