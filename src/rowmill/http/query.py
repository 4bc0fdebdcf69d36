"""What stands behind the question mark of an address: only what the route knows, and each once.

A filter that is misspelt must not silently give everything.
"""

from collections import Counter

from fastapi import Request

from rowmill.core.suggest import did_you_mean, listing
from rowmill.http.problems import ApiError


async def check_query(request: Request) -> None:
    """Raises ``ApiError`` for a parameter that the route does not know, or that is given twice."""
    if not request.url.query:
        return
    given = Counter(name for name, _ in request.query_params.multi_items())
    known = _known(request)
    for name, times in given.items():
        if name not in known:
            hint = f"{did_you_mean(name, known)} Known are {listing(known)}." if known else "There are none here."
            raise ApiError("invalid_request", f"There is no query parameter {name!r} here.", hint.strip())
        if times > 1:
            raise ApiError("invalid_request", f"The query parameter {name!r} is given {times} times.", "Give it once.")


def _known(request: Request) -> list[str]:
    """As the API describes itself."""
    operations = request.app.openapi()["paths"].get(request.scope["route"].path, {})
    parameters = operations.get(request.method.lower(), {}).get("parameters", ())
    return [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
