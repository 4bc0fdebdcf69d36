"""Errors of the HTTP API."""

from dataclasses import dataclass, field

from rowmill.shapes.base import Shape


@dataclass(frozen=True)
class FieldError(Shape):
    """What is wrong with one part of a request."""

    field: str
    """Where it is in the request, such as `steps.0.prompt`."""
    message: str


@dataclass(frozen=True)
class Problem(Shape):
    """An error, as defined in RFC 9457."""

    title: str
    """The meaning of the HTTP status."""
    status: int
    detail: str
    """What happened, in one sentence."""
    code: str
    """Tells errors apart, such as `illegal_transition`."""
    hint: str = ""
    """What to do about it."""
    errors: list[FieldError] = field(default_factory=list)
    """For `invalid_request`: each part that is wrong."""
    type: str = "about:blank"
    """Always `about:blank`; `code` tells errors apart."""
