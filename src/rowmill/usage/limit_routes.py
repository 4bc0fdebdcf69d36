"""What the enrichments of a month may use."""

from decimal import Decimal

from fastapi import APIRouter

from rowmill.core.usage import UsageLimits
from rowmill.http import etags
from rowmill.http.access import ADMIN, READ
from rowmill.http.answers import Answer
from rowmill.http.context import ContextDep, StoreDep
from rowmill.http.etags import IfMatch, etag_of
from rowmill.http.problems import ApiError, responses
from rowmill.shapes.usage import Limits
from rowmill.usage.inputs import LimitsInput
from rowmill.usage.limits import limits_view, set_limits

router = APIRouter(prefix="/v1/limits", tags=["limits"])


@router.get("", response_model=Limits, dependencies=[READ], responses=responses())
def get_limits(store: StoreDep) -> Answer:
    """The limits, with what is used of them this month. The ETag is that of the limits alone."""
    return Answer(limits_view(store), headers={"ETag": _etag(store.usage.limits())})


@router.put("", response_model=Limits, dependencies=[ADMIN], responses=responses("precondition_failed"))
def put_limits(context: ContextDep, asked: LimitsInput, if_match: IfMatch = None) -> Answer:
    """Sets both limits. Running jobs follow at once, and jobs that a limit has paused go on where there is room."""
    store = context.store
    seen = store.usage.limits()
    etags.check(if_match, _etag(seen))
    usd = None if asked.usd_per_month is None else Decimal(str(asked.usd_per_month))
    expected = None if if_match is None else seen
    if not set_limits(store, rows_per_month=asked.rows_per_month, usd_per_month=usd, expected=expected):
        raise ApiError("precondition_failed", "It has been changed meanwhile.", "Read it again, then change that.")
    context.wake()
    return Answer(limits_view(store), headers={"ETag": _etag(store.usage.limits())})


def _etag(limits: UsageLimits) -> str:
    return etag_of(limits.rows, limits.cost)
