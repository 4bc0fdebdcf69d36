"""What the client raises.

::

    RowmillError                (rowmill.core.errors)
    ├── UsageError              what was asked for cannot be, and was not sent
    └── ClientError
        ├── Unreachable         no server answers, or the connection broke
        ├── WaitTimeout         the job has not stopped in the time given (a TimeoutError, too)
        ├── JobStopped          (rowmill.client.jobs) the job did not complete, or has failed rows
        └── ApiError            the server refused; ``code`` says why
            ├── Unauthorized    401
            ├── Forbidden       403
            ├── NotFound        404
            ├── Conflict        409, 412: things are not as the request took them to be
            └── InvalidRequest  422
"""

from collections.abc import Mapping
from typing import Any

from rowmill.core.errors import RowmillError


class ClientError(RowmillError):
    """``code`` tells errors apart, ``message`` is what happened, ``hint`` what to do about it."""

    code = "client"
    exit_code = 2


class Unreachable(ClientError):
    code = "unreachable"


class WaitTimeout(ClientError, TimeoutError):
    code = "timeout"


class ApiError(ClientError):
    """``status`` is the HTTP status. ``code`` is one of those that the reference lists."""

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.status = status
        self.code = code


class Unauthorized(ApiError):
    """The token is missing or not valid."""


class Forbidden(ApiError):
    """The token, or the server, does not allow it."""


class NotFound(ApiError):
    """There is no such thing."""


class Conflict(ApiError):
    """Things are not as the request took them to be."""


class InvalidRequest(ApiError):
    """What was asked for cannot be."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    422: InvalidRequest,
}


def api_error(status: int, problem: Mapping[str, Any]) -> ApiError:
    """The error of an answer with this ``status`` and problem document (RFC 9457), empty where it has none."""
    message = problem.get("detail") or f"The server answered with HTTP {status}."
    hint = problem.get("hint") or ("" if "code" in problem else "See that the URL is that of a Rowmill server.")
    return _BY_STATUS.get(status, ApiError)(status, str(problem.get("code", f"http_{status}")), message, hint)
