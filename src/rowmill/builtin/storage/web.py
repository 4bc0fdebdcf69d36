"""Tables at web addresses: they can be fetched, not written."""

import http.client
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO, NoReturn
from urllib.error import HTTPError, URLError
from urllib.request import (
    BaseHandler,
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from yarl import URL

from rowmill.core.errors import InputError, UsageError
from rowmill.net.public_socket import PrivateAddress, public_socket
from rowmill.plugins.contracts import Guard

_TIMEOUT = 30.0
"""Seconds for connecting, and for each piece that is waited for."""
_PIECE = 1 << 18
_CLOSED = (401, 403)


class WebStorage:
    """``http://`` and ``https://``. User info in the URL is sent to its own host alone. Proxies are taken from the
    environment (``https_proxy``, ``no_proxy``). What messages call a URL leaves user info and query out: they may
    hold secrets."""

    def fetch(self, url: str, file: BinaryIO, tell: Callable[[int], None], guard: Guard | None = None) -> None:
        address = _address(url)
        name = _name(address)
        with _opened(address, name, guard) as response:
            received, expected = 0, response.length
            while piece := _piece(response, name):
                file.write(piece)
                received += len(piece)
                tell(received)
        if expected is not None and received < expected:
            raise _broken_off(name, f"after {received} of {expected} bytes")

    def exists(self, url: str) -> bool:
        _refuse(url)

    def put(self, path: Path, url: str, tell: Callable[[int], None]) -> None:
        _refuse(url)


class _Redirects(HTTPRedirectHandler):
    """Follows a few, none of which may leave encryption or HTTP, nor what the guard allows."""

    max_redirections = 5

    def __init__(self, guard: Guard | None = None) -> None:
        self._guard = guard

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> Request | None:
        target = _address(newurl)
        if req.type == "https" and target.scheme != "https":
            message = f"{_name(URL(req.full_url))} redirects to {_name(target)}, which is not encrypted."
            raise InputError(message, "Give that address itself if it can be trusted.")
        if self._guard is not None:
            self._guard.check(str(target))
        return super().redirect_request(req, fp, code, msg, headers, str(target))


class _PublicConnection(http.client.HTTPConnection):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._create_connection = _connected


class _PublicTLSConnection(http.client.HTTPSConnection):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._create_connection = _connected


class _PublicHandler(HTTPHandler):
    def http_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(_PublicConnection, req)


class _PublicTLSHandler(HTTPSHandler):
    def https_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(_PublicTLSConnection, req)


def _connected(address: tuple[str, int], timeout: float, source_address: None = None) -> socket.socket:
    """``socket.create_connection`` for addresses of the public internet alone. Raises ``OSError``."""
    trouble: OSError | None = None
    for found in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        try:
            connection = public_socket(found)
        except PrivateAddress as error:
            trouble = error
            continue
        try:
            connection.settimeout(timeout)
            connection.connect(found[4])
        except OSError as error:
            connection.close()
            trouble = error
        else:
            return connection
    raise trouble or OSError("the name has no address")


def _handlers(guard: Guard | None) -> list[BaseHandler]:
    """HTTP alone: no files, no FTP, wherever a redirect may point. What may reach public addresses only goes to them by
    itself: a proxy would look names up where this cannot see it."""
    common = [_Redirects(guard), HTTPErrorProcessor(), HTTPDefaultErrorHandler()]
    if guard is None or guard.private:
        return [ProxyHandler(), HTTPHandler(), HTTPSHandler(), *common]
    return [_PublicHandler(), _PublicTLSHandler(), *common]


def _opened(address: URL, name: str, guard: Guard | None) -> http.client.HTTPResponse:
    """The response to one GET. Raises ``InputError``, and what the guard raises."""
    opener = OpenerDirector()
    for handler in _handlers(guard):
        opener.add_handler(handler)
    request = Request(str(address.with_user(None)), headers={"User-Agent": "rowmill"})  # noqa: S310 - checked before
    if address.user is not None:
        credentials = b64encode(f"{address.user}:{address.password or ''}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {credentials}")
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=_TIMEOUT)
    except HTTPError as error:
        error.close()
        raise _refused(error, name) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{name} cannot be reached: {_words(error)}.", "See that the address is right.") from error
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        response.close()
        raise InputError(f"{name} comes compressed, though that was not asked for.", "Download and unpack it first.")
    return response


def _piece(response: http.client.HTTPResponse, name: str) -> bytes:
    try:
        return response.read1(_PIECE)
    except (OSError, http.client.HTTPException) as error:
        raise _broken_off(name, _words(error)) from error


def _broken_off(name: str, how: str) -> InputError:
    return InputError(f"{name} broke off: {how}.", "Try again; nothing of it was kept.")


def _refused(error: HTTPError, name: str) -> InputError:
    if 300 <= error.code < 400:
        return InputError(f"{name} redirects too often or nowhere ({error.code}).", "Give the final address.")
    if error.code in _CLOSED:
        return InputError(f"{name} may not be read ({error.code}).", "Write it as https://USER:PASSWORD@HOST/PATH.")
    hint = "See that the address is right." if error.code < 500 else "Try again later."
    return InputError(f"{name} answered {error.code} {error.reason}.".replace(" .", "."), hint)


def _address(url: str) -> URL:
    try:
        address = URL(url).with_fragment(None)
        if address.scheme in ("http", "https") and address.host and address.port:
            address.host.encode("idna")
            return address
    except ValueError:  # its text repeats what may be secret
        pass
    raise InputError("That is no web address.", "Write it as https://HOST/PATH.")


def _name(address: URL) -> str:
    return str(address.with_user(None).with_query(None).with_fragment(None))


def _words(error: BaseException) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return f"nothing came for {_TIMEOUT:g} seconds"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted ({reason.verify_message})"
    if isinstance(reason, http.client.IncompleteRead):
        return "the connection was closed before the end"
    text = (reason.strerror if isinstance(reason, OSError) else None) or str(reason) or type(reason).__name__
    return text.rstrip(".")


def _refuse(url: str) -> NoReturn:
    message = f"Nothing can be written to the web address {_name(_address(url))}."
    raise UsageError(message, "Write to a path, or to s3://BUCKET/KEY, gs://BUCKET/KEY or az://CONTAINER/KEY.")
