"""Loaded by Schemathesis into its own process: what it makes up is bent where chance alone would have to hit."""

import json
import os
import random
import re
import uuid
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.specs.openapi.checks import positive_data_acceptance

REFUSED = "http://127.0.0.1:1"
"""Nothing answers there: no request may leave this machine."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^/?#\s]*")
_KNOWN_BY_ASKING = ("cursor", "If-Match")
"""What a valid request has from an answer before it; a made-up one is refused, which is as it should be."""

_THERE: dict[str, str] = json.loads(os.environ.get("ROWMILL_THERE", "{}"))
"""Ids of things that are there, by the name that paths have for them: made-up ones seldom lead anywhere."""

_OWN_TOKEN = os.environ.get("ROWMILL_OWN_TOKEN")


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    if isinstance(case.body, dict | list | str):
        case.body = _kept_here(case.body)
    if case.path_parameters and case.path_parameters.get("token_id") == _OWN_TOKEN:
        case.path_parameters["token_id"] = "tok_0"  # or nothing would be answered any more
    if case.meta and case.meta.phase.name == "stateful":
        _make_anew(case)
    if case.meta and case.meta.generation.mode.is_positive:
        _leave_out_what_is_known_by_asking(case)
        if case.meta.phase.name != "stateful" and case.method != "DELETE":
            _lead_somewhere(case)


def _leave_out_what_is_known_by_asking(case: Case[Any]) -> None:
    for place in (case.query, case.headers):
        for name in _KNOWN_BY_ASKING:
            if place:
                place.pop(name, None)
    _make_anew(case)


def _make_anew(case: Case[Any]) -> None:
    """A key that was used for another request is refused, and what was made under it may have been deleted since."""
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())


def _lead_somewhere(case: Case[Any]) -> None:
    for name in case.path_parameters or {}:
        if name in _THERE and random.random() < 0.5:
            case.path_parameters[name] = _THERE[name]


@schemathesis.check
def valid_data_is_accepted_or_breaks_a_rule(ctx: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """The check of Schemathesis' own, but for what no schema can say: one of several inputs, columns that are there,
    rows within a table. Such a refusal has a code of its own; that of a malformed request is none for valid data."""
    if response.status_code == 422:
        problem = response.json()
        told = [error["message"].partition(":")[0] for error in problem["errors"]]
        if problem["code"] != "invalid_request" or set(told) <= {"cannot be stored", "is no JSON Schema"}:
            return None
    return positive_data_acceptance(ctx, response, case)


def _kept_here(value: Any) -> Any:
    """``value`` with every URL in it leading to where nothing answers."""
    if isinstance(value, dict):
        return {key: _kept_here(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_kept_here(each) for each in value]
    return _URL.sub(REFUSED, value) if isinstance(value, str) and "://" in value else value
