"""What the engine and the store say to each other: the pieces of one commit."""

from dataclasses import dataclass, field
from typing import Any

from rowmill.core.job import Attempt, Settings
from rowmill.core.status import Action, RowStatus
from rowmill.core.usage import UNLIMITED, UsageLimits


@dataclass(frozen=True, slots=True)
class Claim:
    """An engine's right to work a job; every commit is checked against it. Later claims have higher generations."""

    job: int
    engine: str
    generation: int
    execution: int
    models: tuple[str, ...] = ()
    """What each step's usage is noted under."""
    max_cost: tuple[tuple[int, int], ...] = ()
    """Steps, each with the nano-dollars that the max_cost of its calls has cost so far; none without a cost."""


@dataclass(slots=True)
class Chunk:
    """Untouched rows ``lo`` to ``hi``, both included. ``hi`` never changes and names the chunk within its job."""

    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class Task:
    """A row at a step, ready to be tried. ``attempts`` were used up before; ``carried`` are earlier steps' outputs."""

    number: int
    step: int = 0
    attempts: int = 0
    crashes: int = 0
    carried: dict[str, Any] | None = None
    deferred: bool = False
    """It waits in the ledger under a line of its own, not in a chunk."""


@dataclass(frozen=True, slots=True)
class Due:
    """A task and the moment (Unix seconds) from which it may be tried."""

    at: float
    task: Task


@dataclass(frozen=True, slots=True)
class Settled:
    """A row's final outcome, with the attempt that settled it. ``record`` and ``input_hash`` are given where the
    outcome becomes a result of a lasting dataset."""

    number: int
    status: RowStatus
    attempt: Attempt
    output: dict[str, Any] | None
    record: int | None = None
    input_hash: int = 0


@dataclass(frozen=True, slots=True)
class Postponed:
    """A row that goes back, due at ``due.at``; ``attempt`` is the try that led here, ``None`` if none ended."""

    due: Due
    attempt: Attempt | None


@dataclass(frozen=True, slots=True)
class Start:
    """Slot ``slot`` now holds ``task``: its call begins once this is committed."""

    slot: int
    task: Task


@dataclass(slots=True)
class Batch:
    """All that one transaction writes."""

    settled: list[Settled] = field(default_factory=list)
    postponed: list[Postponed] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    freed: list[int] = field(default_factory=list)
    """Slots that are empty after this commit."""

    chunks: list[Chunk] = field(default_factory=list)
    """Chunks whose first rows were handed out; ``lo > hi`` says that nothing is left."""

    reopened: list[int] = field(default_factory=list)
    """Failed rows that go back to pending (a failure spike)."""

    uncertain: int = 0
    """Calls that were aborted: they may have been made."""

    def __bool__(self) -> bool:
        return bool(self.settled or self.postponed or self.starts or self.freed or self.reopened)


@dataclass(frozen=True, slots=True)
class ControlState:
    """What an engine must know of its job besides its own doing."""

    requested_action: Action | None
    settings: Settings
    limits: UsageLimits = UNLIMITED


@dataclass(frozen=True, slots=True)
class Lease:
    """Moments (Unix seconds) at which calls may start."""

    starts: list[float]
