"""What a store's enrichments have used, and the limits of a month."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UsageLimits:
    """What may be used in a calendar month in UTC, by all jobs together; ``None``: as much as you like. ``cost`` is in
    nano-dollars."""

    rows: int | None = None
    cost: int | None = None

    def __bool__(self) -> bool:
        return self.rows is not None or self.cost is not None


UNLIMITED = UsageLimits()


@dataclass(frozen=True, slots=True)
class Used:
    """What attempts have used. ``rows`` counts a row each time that an attempt settles it: one that is retried counts
    again. ``cost`` is in nano-dollars, of calls whose price is known."""

    rows: int = 0
    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Amount:
    """Rows and nano-dollars."""

    rows: int = 0
    cost: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.rows + other.rows, self.cost + other.cost)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.rows - other.rows, self.cost - other.cost)

    def covers(self, other: "Amount") -> bool:
        """Whether there is room for ``other``: always for nothing, even where more than all is used."""
        return (not other.rows or self.rows >= other.rows) and (not other.cost or self.cost >= other.cost)


@dataclass(frozen=True, slots=True)
class Grant:
    """What an engine may start beside what it has in flight. ``reached`` says which limit (``rows`` or ``cost``) leaves
    no room even if no other engine holds any; ``None`` where there is room, or will be if others give theirs back."""

    amount: Amount
    reached: str | None = None
