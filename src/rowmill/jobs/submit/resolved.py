"""A job that has been resolved and checked, and what ``find_or_insert`` asks of it."""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import orjson

from rowmill.core.job import Job, JobDraft, Output
from rowmill.jobs.spec import JobSpec
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Target


@dataclass(kw_only=True)
class Resolved(ABC):
    """A job whose source, steps and output have been found and checked."""

    spec: JobSpec
    output: Output | None
    sameness: list[Any]
    """What makes another run the same run."""

    new: bool
    """It is a new job even if there is one that is the same."""

    repeats: bool
    """A completed job is no longer the same one: it is run again."""

    into: Target | None = None
    """The dataset that an import goes into, created together with the job."""

    stored: bool = False
    """It is in the store; otherwise, whatever was prepared for it is removed again."""

    @property
    def identity(self) -> str:
        return hashlib.sha256(orjson.dumps(self.sameness, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @abstractmethod
    def draft(self, store: Store) -> JobDraft:
        """The job to store. Raises ``UsageError`` if it would have no rows or its budget cannot be kept."""

    def is_outdated(self, known: Job) -> bool:
        """Whether the unfinished job ``known`` would go on with records as they no longer are."""
        return False

    def steer(self, store: Store, known: Job) -> Job:
        """``known`` with the settings that were asked for. Raises ``UsageError`` if it cannot take them."""
        return known
