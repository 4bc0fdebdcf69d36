"""What the enrichments of a month may use."""

from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Response

from rowmill.core.usage import UsageLimits
from rowmill.http import etags
from rowmill.http.access import ADMIN, READ
from rowmill.http.context import ContextDep, StoreDep
from rowmill.http.etags import IfMatch, etag_of
from rowmill.http.problems import ApiError, responses
from rowmill.usage.limits import limits_view, set_limits
from rowmill.usage.shapes import LimitsInput, LimitsOutput

router = APIRouter(prefix="/v1/limits", tags=["limits"])


@router.get("", response_model=LimitsOutput, dependencies=[READ], responses=responses())
def get_limits(store: StoreDep, response: Response) -> Any:
    """The limits, with what is used of them this month. The ETag is that of the limits alone."""
    response.headers["ETag"] = _etag(store.usage.limits())
    return limits_view(store)


@router.put("", response_model=LimitsOutput, dependencies=[ADMIN], responses=responses("precondition_failed"))
def put_limits(context: ContextDep, asked: LimitsInput, response: Response, if_match: IfMatch = None) -> Any:
    """Sets both limits. Running jobs follow at once, and jobs that a limit has paused go on where there is room."""
    store = context.store
    seen = store.usage.limits()
    etags.check(if_match, _etag(seen))
    usd = None if asked.usd_per_month is None else Decimal(str(asked.usd_per_month))
    expected = None if if_match is None else seen
    if not set_limits(store, rows_per_month=asked.rows_per_month, usd_per_month=usd, expected=expected):
        raise ApiError("precondition_failed", "It has been changed meanwhile.", "Read it again, then change that.")
    context.wake()
    response.headers["ETag"] = _etag(store.usage.limits())
    return limits_view(store)


def _etag(limits: UsageLimits) -> str:
    return etag_of(limits.rows, limits.cost)
