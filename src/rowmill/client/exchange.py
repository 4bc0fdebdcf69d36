"""Requests to a server and its responses, independent of how they are sent: no I/O happens here."""

import random
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Generic, TypeAlias, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import orjson

from rowmill.client.errors import ApiError, Unreachable, api_error
from rowmill.core.rate_headers import retry_after

T = TypeVar("T")

TRIES = 5
_BUSY = (429, 502, 503, 504)
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
"""Seconds between two tries: doubled each time, or what the server asks for."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is sent as it is read: ``size`` bytes where that is known. ``open`` begins it, anew each time if
    ``again``."""

    open: Callable[[], AbstractContextManager[BinaryIO]]
    size: int | None = None
    again: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """``path`` begins with a slash. ``silence`` is how many seconds the server may say nothing."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Upload | None = None
    silence: float = 60.0

    @property
    def target(self) -> str:
        """Path and query; what is ``None`` is left out."""
        given = {name: _text(value) for name, value in self.query.items() if value is not None}
        return f"{self.path}?{urlencode(given)}" if given else self.path

    @property
    def repeatable(self) -> bool:
        """Whether nothing is done twice where it is sent twice."""
        if isinstance(self.body, Upload) and not self.body.again:
            return False
        return self.method in ("GET", "PUT", "DELETE") or "Idempotency-Key" in self.headers


@dataclass(frozen=True, slots=True)
class Response:
    """``headers`` are in lower case; ``stream`` is the transport's own."""

    status: int
    headers: Mapping[str, str]
    stream: Any


@dataclass(frozen=True, slots=True)
class Send:
    """Sends a request; its outcome is the ``Response`` once its headers have arrived. Raises ``Unreachable``."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """The next bytes of a response, none at its end. Raises ``Unreachable`` if the connection breaks."""

    answer: Response


@dataclass(frozen=True, slots=True)
class Close:
    """Closes a response, read to its end or not."""

    answer: Response


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """One value of a stream, for whoever iterates over it."""

    value: T


Operation: TypeAlias = Send | Read | Close | Sleep
Exchange: TypeAlias = Generator[Operation, Any, T]
"""A generator that returns one value."""

Stream: TypeAlias = Generator[Operation | Emit[T], Any, None]
"""A generator that emits values one after the other."""


def once(steps: Exchange[T]) -> Stream[T]:
    """A stream of the one value of an exchange."""
    yield Emit((yield from steps))


def get(path: str, **query: Any) -> Exchange[Any]:
    """The JSON at ``path``."""
    return _json(Request("GET", path, query))


def post(path: str, body: object = None, *, creates: bool = False) -> Exchange[Any]:
    """The JSON that comes back. With ``creates`` it is safe to send it again: it makes one thing only."""
    headers = {"Idempotency-Key": uuid4().hex} if creates else {}
    return send_json("POST", path, body, headers)


def send_json(method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Exchange[Any]:
    """Sends ``body`` as JSON; gives the JSON that comes back, ``None`` where nothing does."""
    given = dict(headers or {})
    if body is not None:
        given["Content-Type"] = "application/json"
    return _json(Request(method, path, headers=given, body=None if body is None else orjson.dumps(body)))


def delete(path: str, **query: Any) -> Exchange[None]:
    """Deletes what is at ``path``."""
    yield from whole(Request("DELETE", path, query))


def items(path: str, made: Callable[[Any], T], **query: Any) -> Stream[T]:
    """Everything of a list, page after page, as what is ``made`` of its JSON."""
    cursor = None
    while True:
        page = yield from get(path, **query, cursor=cursor)
        for each in page["data"]:
            yield Emit(made(each))
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _json(request: Request) -> Exchange[Any]:
    body = yield from whole(request)
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        hint = "See that the URL is that of a Rowmill server."
        raise ApiError(200, "not_json", f"{request.path} did not answer with JSON.", hint) from error


def whole(request: Request) -> Exchange[bytes]:
    """The whole body of the answer; an answer that breaks off is asked for again where that is safe."""
    for attempt in range(1, TRIES + 1):
        answer = yield from ask(request)
        try:
            return (yield from read(answer))
        except Unreachable:
            if attempt == TRIES or not request.repeatable:
                raise
        yield Sleep(_pause(attempt))
    raise AssertionError("the last try returns or raises")


def read(answer: Response) -> Exchange[bytes]:
    """The rest of ``answer``, which is closed then."""
    parts: list[bytes] = []
    try:
        while part := (yield Read(answer)):
            parts.append(part)
    finally:
        yield Close(answer)
    return b"".join(parts)


def ask(request: Request) -> Exchange[Response]:
    """The head of a good answer; the caller closes it. Asks again where the server is out of reach or busy and that is
    safe. Raises ``Unreachable`` and ``ApiError``."""
    for attempt in range(1, TRIES + 1):
        try:
            answer: Response = yield Send(request)
        except Unreachable:
            if attempt == TRIES or not request.repeatable:
                raise
            yield Sleep(_pause(attempt))
            continue
        if answer.status < 300:
            return answer
        error = yield from _refusal(answer)
        if attempt == TRIES or answer.status not in _BUSY or not request.repeatable:
            raise error
        yield Sleep(_asked_for(answer) or _pause(attempt))
    raise AssertionError("the last try returns or raises")


def _refusal(answer: Response) -> Exchange[ApiError]:
    if answer.status < 400:
        yield Close(answer)
        place = answer.headers.get("location", "another place")
        message = f"The server redirects to {place}, and no token is sent after it."
        return ApiError(answer.status, "redirected", message, "Give the client that URL, if you trust it.")
    try:
        problem = orjson.loads((yield from read(answer)))
    except (Unreachable, orjson.JSONDecodeError):
        problem = {}
    return api_error(answer.status, problem if isinstance(problem, dict) else {})


def _pause(attempt: int) -> float:
    longest: float = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret


def _asked_for(answer: Response) -> float | None:
    """The seconds that the server asks to wait, up to the longest pause."""
    seconds = retry_after(answer.headers.get, time.time)
    return min(seconds, _LONGEST_PAUSE) if seconds else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
