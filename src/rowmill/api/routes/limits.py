"""What the enrichments of a month may use."""

from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Response

from rowmill.api import etags
from rowmill.api.access import ADMIN, READ
from rowmill.api.context import ContextDep, StoreDep
from rowmill.api.etags import IfMatch, etag_of
from rowmill.api.models.limits import LimitsInput, LimitsOutput
from rowmill.api.problems import Refused, responses
from rowmill.model.usage import UsageLimits
from rowmill.service.limits import limits_view, set_limits

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
        raise Refused("precondition_failed", "It has been changed meanwhile.", "Read it again, then change that.")
    context.wake()
    response.headers["ETag"] = _etag(store.usage.limits())
    return limits_view(store)


def _etag(limits: UsageLimits) -> str:
    return etag_of(limits.rows, limits.cost)
