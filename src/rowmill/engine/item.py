"""What travels along a row's way inside the engine."""

from dataclasses import dataclass
from typing import Any

from rowmill.core.commit import Task
from rowmill.core.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Item:
    """A task with the source values of its row, by column. ``record`` is the row's number in a lasting dataset."""

    task: Task
    values: dict[str, Any]
    record: int | None = None

    def inputs(self) -> dict[str, Any]:
        """What the step sees: the source values and the outputs of the steps before."""
        return {**self.values, **self.task.carried} if self.task.carried else self.values


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """An item after an attempt: what came of it, when it began (Unix seconds) and how long it took (seconds).

    ``outcome`` is ``None`` where the call was aborted: whether it was made is not known.
    """

    slot: int
    item: Item
    outcome: Outcome | None
    started_at: float
    duration: float
