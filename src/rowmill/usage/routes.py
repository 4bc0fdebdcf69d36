"""What enrichments have used."""

import re
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from rowmill.http.access import READ
from rowmill.http.answers import Answer
from rowmill.http.context import StoreDep
from rowmill.http.paging import Cursor, Limit, Pager
from rowmill.http.problems import responses
from rowmill.ledger.usage import By
from rowmill.shapes.base import Page
from rowmill.shapes.usage import Usage
from rowmill.usage.report import days_of, usage_view

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _written_out(value: Any) -> Any:
    """Pydantic would take a number for seconds since 1970."""
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("a day is written as 2026-11-30")
    return value


Day = Annotated[date, BeforeValidator(_written_out)]

router = APIRouter(prefix="/v1/usage", tags=["limits"])


@router.get("", response_model=Page[Usage], dependencies=[READ], responses=responses("invalid_cursor"))
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
