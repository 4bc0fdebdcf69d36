"""Where the server is and what every request carries."""

import ipaddress
import os
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import urlsplit

from rowmill.client.exchange import Request
from rowmill.core.errors import UsageError
from rowmill.core.proxy import environment_proxy

DEFAULT_URL = "http://127.0.0.1:8642"
CONNECT_WITHIN = 10.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server and the token for it."""

    url: str
    token: str | None

    @classmethod
    def of(cls, url: str | None, token: str | None) -> "Address":
        """From what is given, else ``ROWMILL_URL`` and ``ROWMILL_TOKEN``. Raises ``UsageError``."""
        url = (url or os.environ.get("ROWMILL_URL") or DEFAULT_URL).rstrip("/")
        if not _is_url(url):
            raise UsageError(f"{url!r} is no URL of a server.", f"Write it as {DEFAULT_URL}.")
        token = (token or os.environ.get("ROWMILL_TOKEN") or "").strip()  # a file ends with a newline
        if not (token.isascii() and token.isprintable()):
            raise UsageError("The token holds characters that no token has.", "Copy it again.")
        return cls(url, token or None)

    def headers(self, request: Request) -> dict[str, str]:
        """What is sent with ``request``."""
        own = {
            "User-Agent": f"rowmill-python/{version('rowmill')}",
            "Accept": "application/json, */*",
            **request.headers,
        }
        return {**own, "Authorization": f"Bearer {self.token}"} if self.token else own

    @property
    def proxy(self) -> str | None:
        """The proxy that the environment names for this server; none reaches this machine itself."""
        host = urlsplit(self.url).hostname or ""
        return None if _is_here(host) else environment_proxy(self.url)

    def out_of_reach(self, error: BaseException) -> tuple[str, str]:
        """What to say of it, and what to do."""
        reason = str(error) or type(error).__name__
        return f"No answer from {self.url}: {reason}.", "See that the server runs: rowmill serve"


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
