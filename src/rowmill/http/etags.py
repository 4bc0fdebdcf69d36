"""Versions of what can be changed: ETag and If-Match (RFC 9110), so that nobody overwrites what they have not seen."""

import hashlib
import re
from typing import Annotated

import orjson
from fastapi import Header

from rowmill.http.problems import ApiError

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=200,
        description="Change only what still has this ETag; without it, whatever is there.",
    ),
]
_ENTITY_TAG = re.compile(r'(W/)?"[^"]*"')
HEADERS = {"ETag": {"description": "The version of what can be changed.", "schema": {"type": "string"}}}


def etag_of(*changeable: object) -> str:
    """The entity tag of whatever of a thing can be changed."""
    return f'"{hashlib.sha256(orjson.dumps(changeable, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]}"'


def check(if_match: str | None, etag: str) -> None:
    """Raises ``ApiError`` where somebody changed the thing meanwhile."""
    if if_match is None or if_match.strip() == "*":
        return
    given = [each.strip() for each in if_match.split(",")]
    if not all(_ENTITY_TAG.fullmatch(each) for each in given):
        hint = 'An ETag stands in quotes: If-Match: "2145969af100edff"'
        raise ApiError("invalid_request", "If-Match is no ETag.", hint)
    if etag not in given:
        raise ApiError("precondition_failed", "It has been changed meanwhile.", "Read it again, then change that.")
