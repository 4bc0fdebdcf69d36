"""Tables in object stores."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, from_url
from yarl import URL

from rowmill.core.errors import InputError, UsageError
from rowmill.plugins.contracts import Guard

if TYPE_CHECKING:
    from obstore.store import RetryConfig  # not there at run time

_TIMEOUTS = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=30),
    "timeout": timedelta(days=7),
}
"""A dead endpoint is told soon, while a big table may take its time: the last bounds a whole download."""
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
_PIECE = 4 << 20
_PART = 8 << 20
_MOST_PARTS = 9_000
"""S3 takes 10 000."""
_PARTS_AT_ONCE = 4

_ADDRESS = re.compile(r"(s3|gs|az)://([\w.$-]+)/(.+)", re.ASCII | re.S)
_ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
_WORDS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION")
_WORD = re.compile(r"[!-~]*")
_CREDENTIALS = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    "gs": "Set GOOGLE_SERVICE_ACCOUNT to the file of a service account's key.",
    "az": "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY.",
}
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist")
_NO_CREDENTIALS = re.compile(r"169\.254\.|token request|[Cc]redential|Missing\w*(Account|Key)|Invalid Access Key")
_SERVER = re.compile(r"Error performing \w+ (\w+://[^/\s]+)")
_SERVER_CODE = re.compile(r"<Code>(\w+)</Code>")


class ObjectStorage:
    """``s3://BUCKET/KEY``, ``gs://BUCKET/KEY`` and ``az://CONTAINER/KEY``; the key is taken to the letter. An object
    appears in one step, however large. Credentials and endpoint come from the environment, or from the machine's role:

    - S3 and what speaks like it: ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``,
      ``AWS_REGION``, ``AWS_ENDPOINT_URL``, ``AWS_ALLOW_HTTP`` (``true`` for an endpoint without TLS),
      ``AWS_SKIP_SIGNATURE`` (``true`` for public buckets). Profiles in ``~/.aws`` are not read.
    - Google: ``GOOGLE_SERVICE_ACCOUNT`` or ``GOOGLE_APPLICATION_CREDENTIALS``, the path of a key file.
    - Azure: ``AZURE_STORAGE_ACCOUNT_NAME`` and ``AZURE_STORAGE_ACCOUNT_KEY`` or ``AZURE_STORAGE_SAS_TOKEN``;
      ``AZURE_STORAGE_ENDPOINT`` and ``AZURE_ALLOW_HTTP`` for an emulator."""

    def fetch(self, url: str, file: BinaryIO, tell: Callable[[int], None], guard: Guard | None = None) -> None:
        with _told(url, InputError):
            store, key = _opened(url)
            result = obstore.get(store, key)
            pieces = iter(result.stream(_PIECE))
        received, size = 0, result.meta["size"]
        while piece := _next(pieces, url):
            file.write(piece)
            received += len(piece)
            tell(received)
        if received != size:
            raise InputError(f"{url} broke off after {received} of {size} bytes.", "Try again; nothing of it was kept.")

    def exists(self, url: str) -> bool:
        with _told(url, UsageError):
            store, key = _opened(url)
            try:
                obstore.head(store, key)
            except FileNotFoundError:
                return False
        return True

    def put(self, path: Path, url: str, tell: Callable[[int], None]) -> None:
        size = path.stat().st_size
        with path.open("rb") as file, _told(url, UsageError):
            store, key = _opened(url)
            if size <= _PART:
                obstore.put(store, key, file.read(), use_multipart=False)
                tell(size)
            else:
                part = max(_PART, -(-size // _MOST_PARTS))
                # An exception from within, also one of ``tell``, comes out as it is and abandons what was uploaded.
                obstore.put(store, key, _read(file, tell), chunk_size=part, max_concurrency=_PARTS_AT_ONCE)


def _next(pieces: Iterator[bytes], url: str) -> bytes | None:
    with _told(url, InputError):
        return next(pieces, None)


def _read(file: BinaryIO, tell: Callable[[int], None]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
        tell(file.tell())


def _opened(url: str) -> tuple[ObjectStore, str]:
    """The bucket and the key within. Raises ``UsageError`` for a URL or settings that cannot work."""
    address = _ADDRESS.fullmatch(url)
    if not address or set(address[3].split("/")) & {"", ".", ".."}:
        hint = "Write s3://BUCKET/KEY, gs://BUCKET/KEY or az://CONTAINER/KEY."
        raise UsageError(f"{url!r} is no address in an object store.", hint)
    _check_environment()
    scheme, bucket, key = address.groups()
    options: Any = {**_TIMEOUTS, "allow_http": _is_set(_ALLOW_HTTP[scheme])}  # replaces what obstore reads
    return from_url(f"{scheme}://{bucket}", client_options=options, retry_config=_RETRIES), key


def _check_environment() -> None:
    """Raises ``UsageError`` for settings over which obstore would panic."""
    for name in _WORDS:
        if not _WORD.fullmatch(os.environ.get(name, "")):
            raise UsageError(f"{name} holds a space, a line break or another character that none has.", "Set it again.")
    for name in _ENDPOINTS:
        if (value := os.environ.get(name)) and not _is_http(value):
            raise UsageError(f"The endpoint in {name} is not an HTTP address.", f"Set {name} to https://HOST.")


def _is_http(text: str) -> bool:
    try:
        url = URL(text)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on")


@contextmanager
def _told(url: str, failure: type[UsageError]) -> Iterator[None]:
    """Turns what obstore raises into one sentence."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        message, hint = _explained(url, error)
        raise failure(message, hint) from error


def _explained(url: str, error: Exception) -> tuple[str, str]:
    text = str(error)
    scheme, _, rest = url.partition("://")
    bucket = rest.partition("/")[0]
    if isinstance(error, FileNotFoundError):
        if _NO_BUCKET.search(text):
            return f"There is no bucket {bucket!r} for {url}.", "See its name, and whether the endpoint is right."
        return f"There is no {url}.", "See its name."
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        code = _SERVER_CODE.search(text)
        why = f" ({code[1]})" if code else ""
        return f"The credentials do not give access to {url}{why}.", "See what they may do, and whether they are right."
    return _unreached(url, scheme, text)


def _unreached(url: str, scheme: str, text: str) -> tuple[str, str]:
    server = found[1] if (found := _SERVER.search(text)) else "the object store"
    if "BadScheme" in text:
        return f"{url} is at {server}, which is not encrypted.", f"Set {_ALLOW_HTTP[scheme]}=true if it can be trusted."
    if _NO_CREDENTIALS.search(text):
        return f"There are no usable credentials for {url}.", _CREDENTIALS[scheme]
    if "error sending request" in text:
        return f"{url} cannot be reached: {server} does not answer.", "See the network and the endpoint."
    said = " ".join(text.partition("Debug source")[0].split())
    return f"{url} failed: {said[:300].rstrip(' .')}.", "Try again later."
