"""``Idempotency-Key``: a request that is sent again, because nobody knows whether it came through, is done once.

After draft-ietf-httpapi-idempotency-key-header. The id of what a request makes is chosen and kept before it is made, so
that a request that was cut off by a crash finds what it had made already.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import Depends, Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from rowmill.core.errors import NothingToDo, UsageError
from rowmill.db.values import new_id
from rowmill.http.access import CallerDep
from rowmill.http.answers import Answer
from rowmill.http.context import ContextDep
from rowmill.http.problems import ApiError
from rowmill.http.turns import one_at_a_time
from rowmill.shapes.base import Shape

_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Sent again with the same key and body within 24 hours, the request gets the same answer and "
        "nothing is made twice.",
    ),
]


@dataclass(frozen=True, slots=True)
class Made:
    """An answer to a request that made something; ``body`` is a shape."""

    body: Shape
    status: int = 201
    headers: dict[str, str] | None = None


class Once:
    """Does a request once per key."""

    def __init__(self, context: ContextDep, request: Request, caller: CallerDep, key: _Key = None) -> None:
        self._store = context.store
        self._caller = caller
        self._key = key
        self._what = f"{request.method} {request.url.path}"

    def __call__(self, prefix: str, body: BaseModel | bytes, make: Callable[[str], Made]) -> Response:
        """Calls ``make`` with the id of what it is to make, or gives the answer that it gave before. Where a thing of
        that id is there already, ``make`` gives that. Raises ``ApiError`` for a key that was used for another body."""
        if self._key is None:
            return _answer(make(new_id(prefix)))
        owner, key = self._caller.token, self._key
        digest = self._digest(body)
        with one_at_a_time(f"request {owner} {key}"):
            kept = self._store.requests.begin(owner, key, digest, new_id(prefix), self._store.clock())
            if kept.digest != digest:
                message = "The Idempotency-Key was used for another request."
                raise ApiError("idempotency_key_reused", message, "Use a new key for a new request.")
            if kept.answer is not None:
                status, headers, content = orjson.loads(self._store.secrets.open(kept.answer, f"request:{owner}:{key}"))
                return Response(content, status, {**headers, "Idempotent-Replayed": "true"}, "application/json")
            try:
                response = _answer(make(kept.resource))
            except (UsageError, NothingToDo, ApiError):  # by anything else it may have been made, and is found again
                self._store.requests.drop(owner, key)
                raise
            headers = {name: value for name, value in response.headers.items() if name in ("location", "etag")}
            kept_answer = orjson.dumps([response.status_code, headers, bytes(response.body).decode()]).decode()
            self._store.requests.answer(owner, key, self._store.secrets.seal(kept_answer, f"request:{owner}:{key}"))
            return response

    def _digest(self, body: BaseModel | bytes) -> str:
        content = body if isinstance(body, bytes) else body.model_dump_json().encode()
        return hashlib.sha256(self._what.encode() + b"\0" + content).hexdigest()


OnceDep = Annotated[Once, Depends()]


def _answer(made: Made) -> Answer:
    return Answer(made.body, made.status, made.headers)
