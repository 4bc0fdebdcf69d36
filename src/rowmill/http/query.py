"""Query parameters: a route accepts the ones that it declares, each at most once.

Otherwise a misspelled filter would silently return everything.
"""

from collections import Counter

from fastapi import Request, params
from fastapi.dependencies.utils import get_flat_params

from rowmill.core.suggest import did_you_mean, listing
from rowmill.http.problems import ApiError


async def check_query(request: Request) -> None:
    """Raises ``ApiError`` for a parameter that the route does not declare, or that is given twice."""
    fields = get_flat_params(request.scope["route"].dependant)
    known = [field.alias for field in fields if isinstance(field.field_info, params.Query)]
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            hint = f"{did_you_mean(name, known)} Known are {listing(known)}." if known else "There are none here."
            raise ApiError("invalid_request", f"There is no query parameter {name!r} here.", hint.strip())
        if times > 1:
            raise ApiError("invalid_request", f"The query parameter {name!r} is given {times} times.", "Give it once.")
