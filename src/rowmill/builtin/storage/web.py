"""Tables at web addresses: they can be fetched, not written."""

import http.client
import socket
import ssl
import string
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NoReturn
from urllib.parse import quote, unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from yarl import URL

from rowmill.core.errors import InputError, UsageError
from rowmill.core.proxy import environment_proxy
from rowmill.net.connection import in_words, innermost
from rowmill.net.public_socket import public_connection
from rowmill.plugins.contracts import Guard

_TIMEOUT = 30.0
"""Seconds for connecting, and for each piece of the response."""
_PIECE = 1 << 18
_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)


class WebStorage:
    """``http://`` and ``https://``. User info in the URL is sent to its own host alone. Proxies are taken from the
    environment (``https_proxy``, ``no_proxy``). Messages name a URL without user info and query, which may hold
    secrets."""

    def fetch(self, url: str, file: BinaryIO, tell: Callable[[int], None], guard: Guard | None = None) -> None:
        address = _address(url)
        name = _name(address)
        with closing(_open(address, name, guard)) as response:
            received = 0
            while piece := _read(response, name):
                file.write(piece)
                received += len(piece)
                tell(received)

    def exists(self, url: str) -> bool:
        _refuse(url)

    def put(self, path: Path, url: str, tell: Callable[[int], None]) -> None:
        _refuse(url)


def _open(address: URL, name: str, guard: Guard | None) -> urllib3.BaseHTTPResponse:
    """The response at the end of the redirects. Raises ``InputError``, and what the guard raises."""
    headers = {"User-Agent": "rowmill", "Accept-Encoding": "identity"}
    credentials = {}
    if address.user is not None:
        encoded = b64encode(f"{address.user}:{address.password or ''}".encode()).decode()
        credentials = {"Authorization": f"Basic {encoded}"}
    response = _get(address, name, headers | credentials, guard)
    for _ in range(_MAX_REDIRECTS):
        location = response.headers.get("Location")
        if response.status not in _REDIRECTS or location is None:
            break
        response.close()
        address = _redirected(address, location, guard)
        response = _get(address, name, headers, guard)
    if not 200 <= response.status < 300:
        response.close()
        raise _refused(response.status, response.reason or "", name)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        response.close()
        raise InputError(f"{name} comes compressed, though that was not asked for.", "Download and unpack it first.")
    return response


def _redirected(address: URL, location: str, guard: Guard | None) -> URL:
    """Where a redirect leads: to HTTP, not out of encryption, and only where the guard allows."""
    target = _address(quote(location, safe=string.punctuation, encoding="latin-1"), base=address)
    if address.scheme == "https" and target.scheme != "https":
        message = f"{_name(address)} redirects to {_name(target)}, which is not encrypted."
        raise InputError(message, "Give that address itself if it can be trusted.")
    if guard is not None:
        guard.check(str(target))
    return target


def _get(address: URL, name: str, headers: dict[str, str], guard: Guard | None) -> urllib3.BaseHTTPResponse:
    url = str(address.with_user(None))
    pools: urllib3.PoolManager
    if guard is not None and not guard.private:
        pools = _PublicPools()  # and no proxy: it would resolve names where they cannot be checked
    elif proxy := environment_proxy(url):
        user = urlsplit(proxy).netloc.rpartition("@")[0]
        login = urllib3.make_headers(proxy_basic_auth=unquote(user)) if user else None
        pools = urllib3.ProxyManager(proxy, proxy_headers=login)
    else:
        pools = urllib3.PoolManager()
    try:
        return pools.request(
            "GET", url, headers=headers, timeout=_TIMEOUT, retries=False, redirect=False, preload_content=False
        )
    except (HTTPError, OSError, ValueError) as error:
        raise InputError(f"{name} cannot be reached: {_words(error)}.", "Check the address.") from error


class _PublicConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return public_connection(self.host, self.port, self.timeout)


class _PublicTLSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return public_connection(self.host, self.port, self.timeout)


class _PublicPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicTLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PublicTLSConnection


class _PublicPools(urllib3.PoolManager):
    """Connects to addresses of the public internet alone."""

    def __init__(self) -> None:
        super().__init__()
        self.pool_classes_by_scheme = {"http": _PublicPool, "https": _PublicTLSPool}


def _read(response: urllib3.BaseHTTPResponse, name: str) -> bytes:
    try:
        return response.read1(_PIECE, decode_content=False)
    except (HTTPError, OSError) as error:
        raise InputError(f"{name} broke off: {_words(error)}.", "Try again; nothing of it was kept.") from error


def _refused(status: int, reason: str, name: str) -> InputError:
    if 300 <= status < 400:
        return InputError(f"{name} redirects too often or nowhere ({status}).", "Give the final address.")
    if status in (401, 403):
        return InputError(f"{name} may not be read ({status}).", "Write it as https://USER:PASSWORD@HOST/PATH.")
    hint = "Check the address." if status < 500 else "Try again later."
    return InputError(f"{name} answered {status} {reason}".rstrip() + ".", hint)


def _address(text: str, base: URL | None = None) -> URL:
    """The URL, which may be relative to ``base``. Raises ``InputError`` where it is not one of HTTP."""
    try:
        url = (base.join(URL(text)) if base else URL(text)).with_fragment(None)
        if url.scheme in ("http", "https") and url.host and url.port and url.host.encode("idna"):
            return url
    except ValueError:  # its text may repeat a secret
        pass
    raise InputError("That is not a web address.", "Write it as https://HOST/PATH.")


def _name(address: URL) -> str:
    return str(address.with_user(None).with_query(None).with_fragment(None))


def _words(error: BaseException) -> str:
    cause = innermost(error)
    if isinstance(cause, HTTPError) and cause.args and isinstance(cause.args[-1], Exception):
        cause = cause.args[-1]
    if isinstance(cause, TimeoutError):
        return f"nothing came for {_TIMEOUT:g} seconds"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted ({cause.verify_message})"
    if isinstance(cause, urllib3.exceptions.IncompleteRead):
        return f"after {cause.partial} of {cause.partial + cause.expected} bytes"
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection was closed before the end"
    return in_words(cause).rstrip(".")


def _refuse(url: str) -> NoReturn:
    message = f"Nothing can be written to the web address {_name(_address(url))}."
    raise UsageError(message, "Write to a path, or to s3://BUCKET/KEY, gs://BUCKET/KEY or az://CONTAINER/KEY.")
