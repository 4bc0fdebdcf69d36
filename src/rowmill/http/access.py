"""Who may do what: bearer tokens with a scope, and which Host and Origin a request may name."""

import ipaddress
import re
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from rowmill.core.access import Access, Caller
from rowmill.http.context import ContextDep
from rowmill.http.problems import ApiError, problem_response
from rowmill.http.request_guard import RequestGuard

_HOST = re.compile(r"(?:\[([^\]]*)\]|([^:]*))(?::\d*)?")
_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token from `rowmill tokens create`. A server on a loopback address needs none while there is none.",
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def caller(context: ContextDep, credentials: _Credentials) -> Caller:
    """Raises ``ApiError`` for a token that is wrong, or missing where one is needed."""
    if credentials is not None:
        known = context.authenticator.caller(credentials.credentials)
        if known is None:
            raise _unauthorized("The token is not valid.")
        return known
    if context.open and not context.authenticator.required():
        return Caller("", Access.ADMIN)
    raise _unauthorized("A token is needed.")


CallerDep = Annotated[Caller, Depends(caller)]


def may(scope: Access) -> Any:
    """The dependency of routes that need ``scope``."""

    async def check(known: CallerDep) -> None:
        if not known.scope.includes(scope):
            hint = f"Use a token with the scope {scope}."
            raise ApiError("forbidden", f"The token's scope is {known.scope}, and this needs {scope}.", hint)

    return Depends(check)


READ, RUN, ADMIN = (may(scope) for scope in (Access.READ, Access.RUN, Access.ADMIN))


class HostOriginMiddleware:
    """ASGI middleware. A browser can be led to this server under a foreign name (DNS rebinding), so that only names of
    its own are answered: addresses, ``localhost``, and those in ``hosts``. A page of another origin is refused unless
    that is one of ``origins``."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], origins: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        if not self._is_own(host):
            hint = "Use its address, or whoever runs the server may add the name: rowmill serve --allow-host NAME"
            response = problem_response("host_refused", f"This server is not called {host!r}.", hint)
        elif origin is not None and not self._is_same(origin, request, host) and origin not in self._origins:
            hint = "Whoever runs the server may allow it: rowmill serve --cors ORIGIN"
            response = problem_response("origin_refused", f"Pages of {origin!r} may not call this server.", hint)
        else:
            await self._app(scope, receive, send)
            return
        await RequestGuard(response)(scope, receive, send)  # reads the rest of a request that is still being sent

    def _is_own(self, host: str) -> bool:
        name = _without_port(host).lower()
        return name == "localhost" or name in self._hosts or _is_address(name)

    @staticmethod
    def _is_same(origin: str, request: Request, host: str) -> bool:
        return origin.lower() == f"{request.url.scheme}://{host.lower()}"


def _unauthorized(message: str) -> ApiError:
    hint = "Send `Authorization: Bearer TOKEN`; `rowmill tokens create` makes one."
    return ApiError("unauthorized", message, hint, {"WWW-Authenticate": "Bearer"})


def _without_port(host: str) -> str:
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]) if found else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
