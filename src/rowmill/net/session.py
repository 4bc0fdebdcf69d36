"""The aiohttp session of everything that calls other servers."""

import aiohttp

from rowmill.net.public_socket import public_socket

CONNECT_TIMEOUT = 30.0
"""Seconds for DNS, TCP, proxy and TLS together. The caller limits the time of the request as a whole."""
_IDLE_TIMEOUT = 4.0
"""Seconds that an idle connection is kept. Many servers (uvicorn and with it vLLM, llama.cpp, Node) close one after 5,
and a request that is sent just then fails without a trace of whether the server has begun to work on it."""


def open_session(
    headers: dict[str, str],
    *,
    proxy: str | None = None,
    public_only: bool = False,
    keep_alive: bool = True,
    decompress: bool = True,
    connect_timeout: float = CONNECT_TIMEOUT,
) -> aiohttp.ClientSession:
    """A session without cookies and without a limit of connections. With ``public_only``, private addresses are refused
    at connect time (see ``PrivateAddress``)."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,
            force_close=not keep_alive,
            keepalive_timeout=_IDLE_TIMEOUT if keep_alive else None,
            socket_factory=public_socket if public_only else None,
        ),
        timeout=aiohttp.ClientTimeout(connect=connect_timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "rowmill", **headers},
        proxy=proxy,
        auto_decompress=decompress,
    )
