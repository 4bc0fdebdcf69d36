"""What enrichments have used, and the limits of a month."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from rowmill.core.usage import UsageLimits
from rowmill.http import etags
from rowmill.http.access import ADMIN, READ
from rowmill.http.answers import Answer
from rowmill.http.context import ContextDep, StoreDep
from rowmill.http.etags import IfMatch, etag_of
from rowmill.http.paging import Cursor, Limit, Pager
from rowmill.http.problems import ApiError, responses
from rowmill.ledger.usage import By
from rowmill.shapes.base import Page
from rowmill.shapes.usage import Limits, Usage
from rowmill.usage.inputs import LimitsInput
from rowmill.usage.limits import limits_view, set_limits
from rowmill.usage.report import days_of, usage_view

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _written_out(value: Any) -> Any:
    """Pydantic would take a number for seconds since 1970."""
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("a day is written as 2026-11-30")
    return value


Day = Annotated[date, BeforeValidator(_written_out)]

router = APIRouter(prefix="/v1", tags=["limits"])


@router.get("/usage", response_model=Page[Usage], dependencies=[READ], responses=responses("invalid_cursor"))
def list_usage(
    store: StoreDep,
    from_: Annotated[
        Day | None, Query(alias="from", description="The first day (UTC); by default of this month.")
    ] = None,
    to: Annotated[Day | None, Query(description="The last day (UTC), included; by default of this month.")] = None,
    by: Annotated[By, Query(description="What is added up: each day, each model or each job.")] = "day",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer:
    """What was used, added up for each day, model or job."""
    first, last = days_of(store, None)
    first, last = from_.isoformat() if from_ else first, to.isoformat() if to else last
    pager = Pager("usage", by, first, last)
    found = store.usage.between(first, last, by, pager.after(cursor, ""), limit + 1)
    return Answer(pager.page(found, limit, lambda line: line[0], lambda line: usage_view(by, *line)))


@router.get("/limits", response_model=Limits, dependencies=[READ], responses=responses())
def get_limits(store: StoreDep) -> Answer:
    """The limits, with what is used of them this month. The ETag is that of the limits alone."""
    return Answer(limits_view(store), headers={"ETag": _etag(store.usage.limits())})


@router.put("/limits", response_model=Limits, dependencies=[ADMIN], responses=responses("precondition_failed"))
def put_limits(context: ContextDep, asked: LimitsInput, if_match: IfMatch = None) -> Answer:
    """Sets both limits. Running jobs follow at once, and jobs that a limit has paused continue if there is room."""
    store = context.store
    seen = store.usage.limits()
    etags.check(if_match, _etag(seen))
    usd = None if asked.usd_per_month is None else Decimal(str(asked.usd_per_month))
    expected = None if if_match is None else seen
    if not set_limits(store, rows_per_month=asked.rows_per_month, usd_per_month=usd, expected=expected):
        raise ApiError(
            "precondition_failed", "The limits have changed in the meantime.", "Read them again, then change them."
        )
    context.wake()
    return Answer(limits_view(store), headers={"ETag": _etag(store.usage.limits())})


def _etag(limits: UsageLimits) -> str:
    return etag_of(limits.rows, limits.cost)
