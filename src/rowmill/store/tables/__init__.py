"""The schema. Read by migrations and by their tests only; the verbs are plain SQL that every database understands."""

from rowmill.store.tables import service, work
from rowmill.store.tables.base import metadata

__all__ = ["metadata", "service", "work"]
