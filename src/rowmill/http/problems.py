"""Errors as problem documents (RFC 9457), each with a stable code and what to do about it."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.types import Scope

from rowmill.core.errors import RowmillError
from rowmill.http.answers import Answer
from rowmill.http.remedies import REMEDIES
from rowmill.shapes.problems import FieldError, Problem

_KINDS = frozenset({"constrained-str", "constrained-int", "constrained-float", "str", "int", "float", "bool", "none"})
"""How pydantic calls the members of a union."""

MEDIA_TYPE = "application/problem+json"
STATUS_OF = {
    "busy": 409,
    "claim_lost": 409,
    "conflict": 409,
    "disk_full": 507,
    "forbidden": 403,
    "host_refused": 421,
    "idempotency_key_reused": 422,
    "illegal_transition": 409,
    "input": 422,
    "internal": 500,
    "invalid_cursor": 422,
    "invalid_request": 422,
    "method_not_allowed": 405,
    "not_found": 404,
    "nothing_to_do": 409,
    "origin_refused": 403,
    "precondition_failed": 412,
    "range_not_satisfiable": 416,
    "remote_code": 403,
    "server_file": 403,
    "store": 503,
    "too_large": 413,
    "unauthorized": 401,
    "unavailable": 503,
    "usage": 422,
}
"""Every code that an error document can have, and its HTTP status. The reference says of each what to do."""

_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""What RFC 9110 calls them; older Pythons have the names before."""

_ANYWHERE = (
    "forbidden", "host_refused", "internal", "invalid_request", "origin_refused", "store", "too_large", "unauthorized",
)  # fmt: skip
_CODE_OF_STATUS = {401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class ApiError(RowmillError):
    """An error that only HTTP knows. ``code`` is one of ``STATUS_OF``."""

    def __init__(self, code: str, message: str, hint: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message, hint)
        self.code = code
        self.headers = headers


def responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its description: those of ``codes`` beside those that every route has."""
    by_status: dict[int | str, list[str]] = {}
    for code in sorted({*_ANYWHERE, *codes}):
        by_status.setdefault(STATUS_OF[code], []).append(code)
    return {
        status: {
            "description": f"{_phrase(int(status))}: {', '.join(f'`{code}`' for code in found)}",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, found in by_status.items()
    }


def install(app: FastAPI) -> None:
    """Makes every error of ``app`` a problem document."""
    app.add_exception_handler(RowmillError, _own)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def problem_response(
    code: str,
    detail: str,
    hint: str = "",
    errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    status = STATUS_OF.get(code, 422)
    return Answer(Problem(_phrase(status), status, detail, code, hint, errors or []), status, headers, MEDIA_TYPE)


def too_large(scope: Scope) -> Answer:
    """Says how large a request of this route may be."""
    limit = scope.get(MAX_BODY_SIZE_SCOPE_KEY, 0) >> 20
    hint = f"Send at most {limit} MiB at a time; what is larger can be uploaded as a file: POST /v1/files."
    return problem_response("too_large", "The request is too large.", hint)


def _phrase(status: int) -> str:
    return _PHRASES.get(status) or HTTPStatus(status).phrase


async def _own(request: Request, error: Exception) -> Answer:
    assert isinstance(error, RowmillError)
    return problem_response(
        error.code, error.message, error.advise(REMEDIES).hint, headers=getattr(error, "headers", None)
    )


async def _invalid(request: Request, error: Exception) -> Answer:
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes) and error.body and not _says_json(request):
        hint = "Send Content-Type: application/json."
        return problem_response("invalid_request", "The request does not say that its body is JSON.", hint)
    # What may be left out is mostly a union with null, which is not what anybody meant.
    found = [each for each in error.errors() if each["type"] != "none_required"] or error.errors()
    errors = [_field_error(each, error.body) for each in found]
    first = f" {errors[0].field}: {errors[0].message}." if errors else ""
    return problem_response("invalid_request", f"The request is not valid.{first}", "See /openapi.json.", errors)


def _says_json(request: Request) -> bool:
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return said == "application/json" or said.endswith("+json")


def _field_error(error: dict[str, Any], body: Any) -> FieldError:
    if error["type"] == "json_invalid":
        where = f"at character {error['loc'][-1]}" if len(error["loc"]) > 1 else "as it stands"
        return FieldError(field="body", message=f"is no JSON {where}")
    source, *place = error["loc"]
    field = ".".join(map(str, _within(body, place) if source == "body" else place)) or str(source)
    return FieldError(field=_sayable(field), message=_sayable(error["msg"].removeprefix("Value error, ")))


def _within(body: Any, place: Sequence[str | int]) -> Iterator[str | int]:
    """``place`` without what stands in no request: pydantic also names which kind of job, step or value it took it
    for."""
    for part in place[:-1]:
        inner = body.get(part) if isinstance(body, dict) else body[part]
        if isinstance(inner, dict | list):
            body = inner
            yield part
    if len(place) > 1 and isinstance(body, dict) and place[-1] in _KINDS and place[-2] in body:
        yield place[-2]
    else:
        yield from place[-1:]


def _sayable(text: str) -> str:
    """``text`` with what no UTF-8 has, half a character, as a question mark: it quotes what was sent."""
    return text.encode(errors="replace").decode()


async def _http(request: Request, error: Exception) -> Answer:
    assert isinstance(error, HTTPException)
    code = _CODE_OF_STATUS.get(error.status_code, "invalid_request")
    headers = dict(error.headers) if error.headers else {}
    if error.status_code == 405:
        headers["Allow"] = _allowed(request)
    if error.status_code == 413:
        return too_large(request.scope)
    detail = f"There is nothing at {request.url.path}." if error.status_code == 404 else str(error.detail)
    return problem_response(code, detail, "See /openapi.json.", headers=headers)


def _allowed(request: Request) -> str:
    """The methods of the path: those of all its routes, of which the router tells the first one's."""
    described = request.app.openapi()["paths"].get(getattr(request.scope.get("route"), "path", None), {})
    methods = {method.upper() for method in described} or {"GET"}  # what is not described only reads
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


async def _unexpected(request: Request, error: Exception) -> Answer:
    hint = "Please report it; the server's log has more."
    return problem_response("internal", "Something went wrong in Rowmill itself.", hint)
