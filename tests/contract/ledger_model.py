"""A job's rows as the ledger should have them: the simplest program that could be right."""

from dataclasses import dataclass, field

from rowmill.core.commit import Claim, Task
from rowmill.core.retry import LAST_CRASH
from rowmill.core.status import RowStatus

UNTOUCHED, WAITING, IN_FLIGHT = "untouched", "waiting", "in flight"
Outcome = tuple[RowStatus, str | None, str | None]
"""Status, value and error code."""

CRASHED: Outcome = (RowStatus.FAILED, None, "crashed_process")


@dataclass
class RowModel:
    place: str | Outcome = UNTOUCHED
    attempts: int = 0
    crashes: int = 0

    @property
    def settled(self) -> bool:
        return isinstance(self.place, tuple)


@dataclass
class JobModel:
    rows: dict[int, RowModel]
    claim: Claim | None = None
    """Of the engine that lives."""

    dead: Claim | None = None
    """Of an engine that is dead, as long as the store has not noticed."""

    fenced: list[Claim] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    """Untouched rows that were handed to the claim."""

    slots: dict[int, int] = field(default_factory=dict)
    uncertain: int = 0
    settlings: int = 0
    """How often an attempt has settled a row."""

    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: int = 0

    def numbers(self, *places: str | RowStatus) -> list[int]:
        return [n for n, row in self.rows.items() if (row.place[0] if row.settled else row.place) in places]

    def task(self, number: int) -> Task:
        row = self.rows[number]
        return Task(number, 0, row.attempts, row.crashes, deferred=row.place == WAITING)

    def outcomes(self) -> dict[int, Outcome]:
        return {n: row.place for n, row in self.rows.items() if isinstance(row.place, tuple)}

    def reopen(self, numbers: list[int]) -> None:
        for number in numbers:
            self.rows[number] = RowModel(WAITING)

    def end_claim(self) -> None:
        claim = self.claim or self.dead
        assert claim
        self.fenced.append(claim)
        self.claim = self.dead = None
        self.held.clear()

    def recover(self) -> None:
        """The store takes the job from an engine that is dead, or presumed so."""
        self.uncertain += len(self.slots)
        for number in self.slots.values():
            row = self.rows[number]
            row.crashes += 1
            row.place = CRASHED if row.crashes >= LAST_CRASH else WAITING
        self.slots.clear()
        self.end_claim()
