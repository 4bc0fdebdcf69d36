"""What the API may do on its machine: it runs no code and reads no file that nobody allowed by name."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rowmill.core.job import Step
from rowmill.http.problems import ApiError
from rowmill.net.public_socket import is_public
from rowmill.plugins.contracts import Guard

_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_PLAIN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s\\\x00-\x1f\x7f]+")
_ESCAPED = re.compile(r"%(25)*(2e|2f|5c|00)", re.I)


@dataclass(frozen=True, slots=True)
class Policy:
    """``python`` are functions as ``module:function``, looked for in the directories ``python_path`` first, ``paths``
    directories, ``urls`` beginnings of URLs, ``variables`` names in the environment; ``private`` says whether addresses
    that are not of the public internet may be called; ``trusted`` allows everything: the caller is the user of this
    very process. ``max_upload`` is how many bytes one upload may have, and what is fetched from a URL."""

    python: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    urls: tuple[str, ...] = ()
    private: bool = False
    trusted: bool = False
    max_upload: int = 10 << 30
    python_path: tuple[str, ...] = ()

    def check_function(self, function: str) -> None:
        """Raises ``ApiError`` for a Python function that was not allowed by name."""
        if not self.trusted and function not in self.python:
            hint = f"Whoever runs the server may allow it: rowmill serve --allow-python {function}"
            raise ApiError("remote_code", f"The function {function!r} is not allowed through the API.", hint)

    def check_path(self, path: str) -> Path:
        """``path`` with its links resolved. Raises ``ApiError`` where it lies in no directory that was allowed."""
        try:
            real: Path | None = Path(path).resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL
            real = None
        if real is None or not (self.trusted or any(real.is_relative_to(each.resolve()) for each in self.paths)):
            hint = "Upload the file, or whoever runs the server may allow its directory: rowmill serve --allow-path DIR"
            raise ApiError("server_file", "Files of the server are not read or written through the API.", hint)
        return real

    def check_model(self, model: str | None) -> None:
        """Raises ``ApiError`` for an embedded model (``local/PATH.gguf``) in a file that was not allowed."""
        provider, _, name = (model or "").partition("/")
        if provider == "local" and Path(name).suffix.lower() == ".gguf":
            self.check_path(name)

    def check_step(self, step: Step) -> None:
        """Raises ``ApiError`` for a step of another job that runs a Python function which was not allowed by name."""
        if step.processor == "python":
            self.check_function(str(step.config.get("function")))

    def check_url(self, url: str) -> None:
        """Raises ``ApiError`` for a URL that begins with none that was allowed."""
        if not self.trusted and not any(_begins(url, allowed) for allowed in self.urls):
            hint = "Upload the file, or whoever runs the server may allow the place: rowmill serve --allow-url URL"
            raise ApiError("server_file", "Nothing is fetched from or put to that place through the API.", hint)

    def check_variables(self, text: str) -> None:
        """Raises ``ApiError`` where ``text`` names a variable of the server's environment that was not allowed."""
        for name in _VARIABLE.findall(text):
            if not self.trusted and name not in self.variables:
                hint = f"Whoever runs the server may allow it: rowmill serve --allow-env {name}"
                raise ApiError("server_file", f"The variable {name} of the server is not read through the API.", hint)

    def check_private(self, asked: bool) -> None:
        """Raises ``ApiError`` where private addresses are ``asked`` for and not allowed."""
        if asked and not (self.private or self.trusted):
            hint = "Whoever runs the server may allow it: rowmill serve --allow-private"
            raise ApiError("server_file", "Private addresses are not called through the API.", hint)

    def check_address(self, url: str, *, asked: bool) -> None:
        """Raises ``ApiError`` for an HTTP URL at a private address, unless that was ``asked`` for and is allowed. What
        a name resolves to is checked whenever it is called (``rowmill.net.public_socket``)."""
        if not _is_private(url):
            return
        self.check_private(True)
        if not asked:
            raise ApiError("usage", "The URL is that of a private address.", 'If it is meant: "allow_private": true')

    @property
    def guard(self) -> Guard | None:
        """Bounds where a URL may lead that was allowed."""
        return None if self.trusted else Guard(self.check_url, self.private)


def _begins(url: str, allowed: str) -> bool:
    """Whether ``url`` lies below ``allowed``: the same scheme and host, and a path below its path. What one program
    reads so and another so (spaces, backslashes, escaped dots and slashes) is not taken."""
    if not _PLAIN_URL.fullmatch(url):
        return False
    try:
        parts, base = urlsplit(url), urlsplit(allowed)
    except ValueError:
        return False
    if (parts.scheme.lower(), parts.netloc.lower()) != (base.scheme.lower(), base.netloc.lower()):
        return False
    path, beginning = parts.path or "/", base.path.rstrip("/")
    if _ESCAPED.search(path) or any(segment in (".", "..") for segment in path.split("/")):
        return False
    return path == beginning or path.startswith(f"{beginning}/")


def _is_private(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or not is_public(host)
    except ValueError:  # a name
        return False


def is_loopback(host: str) -> bool:
    """Whether a server that binds to ``host`` can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
