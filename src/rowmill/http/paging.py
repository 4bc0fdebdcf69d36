"""Pages of lists: opaque cursors that say after what to go on, so that they stay right while things change."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Query

from rowmill.http.problems import ApiError
from rowmill.shapes.base import Page

T = TypeVar("T")

_LARGEST = (1 << 63) - 1

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=4000,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="`next_cursor` of the page before, from the same list with the same filters.",
    ),
]


class Pager:
    """The pages of one list; ``filters`` are those with which it was asked for: a cursor belongs to them."""

    def __init__(self, *filters: object) -> None:
        self._check = hashlib.sha256(repr(filters).encode()).hexdigest()[:8]

    def after(self, cursor: str | None, start: Any) -> Any:
        """Where the page begins: behind ``start`` where there is no cursor. Raises ``ApiError``."""
        if cursor is None:
            return start
        try:
            check, position = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except (ValueError, TypeError):
            raise foreign_cursor() from None
        if check != self._check or type(position) is not type(start):
            raise foreign_cursor()
        if isinstance(position, int) and abs(position) > _LARGEST:  # no database has such a number
            raise foreign_cursor()
        return position

    def page(self, found: Sequence[T], limit: int, position: Callable[[T], Any], view: Callable[[T], Any]) -> Page[Any]:
        """``found`` is up to one more than ``limit``, so that it is known whether there are more."""
        shown = found[:limit]
        return self.part(shown, position(shown[-1]) if len(found) > limit else None, view)

    def part(self, shown: Sequence[T], after: Any | None, view: Callable[[T], Any]) -> Page[Any]:
        """A page of ``shown``, behind which the list goes on after ``after``; that is ``None`` at its end."""
        cursor = None if after is None else self._cursor(after)
        return Page([view(each) for each in shown], cursor is not None, cursor)

    def _cursor(self, position: Any) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([self._check, position])).rstrip(b"=").decode()


def foreign_cursor() -> ApiError:
    """The error that says that a cursor makes no sense here."""
    return ApiError("invalid_cursor", "The cursor is not one of this list.", "Begin again without a cursor.")
