"""The HTTP proxy that the environment names (``http_proxy``, ``https_proxy``, ``no_proxy``)."""

import re
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from rowmill.core.errors import UsageError

_HTTP_URL = re.compile(r"https?://[!-~]+", re.ASCII)


def environment_proxy(url: str) -> str | None:
    """The URL of the proxy for ``url``, or ``None``. Raises ``UsageError`` for a proxy that does not speak HTTP."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    proxy = getproxies().get(parts.scheme)
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _HTTP_URL.fullmatch(proxy):
        name = f"{parts.scheme}_proxy"
        raise UsageError(f"The proxy in {name} is not an HTTP proxy.", f"Set {name} to http://HOST:PORT.")
    return proxy
