"""What the bearer of a token may do."""

from dataclasses import dataclass
from enum import StrEnum


class Access(StrEnum):
    """A token's scope; each includes those before it."""

    READ = "read"
    """See jobs, rows, datasets, usage and connections (without their keys)."""

    RUN = "run"
    """Make and update_settings jobs, take in files, make datasets."""

    ADMIN = "admin"
    """Also remove jobs and datasets, and see to what holds secrets or lets others in: tokens, connections, webhooks,
    limits."""

    def includes(self, other: "Access") -> bool:
        """Whether whoever has this scope may do what ``other`` allows."""
        order = list(Access)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request. ``token`` is the id of the token, empty where none is needed."""

    token: str
    scope: Access
