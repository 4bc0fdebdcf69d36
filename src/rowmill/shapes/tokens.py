"""API tokens."""

from dataclasses import dataclass, field
from datetime import datetime

from rowmill.core.access import Access
from rowmill.shapes.base import Shape


@dataclass(frozen=True)
class Token(Shape):
    """An API token, without its secret."""

    id: str
    """Such as `tok_4m1x2y3z5a6b`."""
    name: str
    scope: Access
    created_at: datetime
    used_at: datetime | None
    """When it was last used, to within a minute; null if never."""


@dataclass(frozen=True)
class NewToken(Token):
    """A new token with its secret."""

    token: str = field(repr=False)
    """Send it as `Authorization: Bearer TOKEN`. It is never shown again."""
