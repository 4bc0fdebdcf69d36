"""Money: integer nano-dollars, so that sums are exact."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

NANO = 1_000_000_000
_PER_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars for a million tokens in and a million tokens out, pinned when the job is made."""

    tokens_in: int
    tokens_out: int

    @property
    def charges(self) -> bool:
        """Whether anything costs anything."""
        return bool(self.tokens_in or self.tokens_out)

    def cost(self, tokens_in: int, tokens_out: int) -> int:
        """Nano-dollars for so many tokens, rounded to the nearest."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out + _PER_MILLION // 2) // _PER_MILLION


def nano(dollars: Decimal) -> int:
    """Dollars as whole nano-dollars."""
    return int((dollars * NANO).to_integral_value(ROUND_HALF_UP))


def dollars(amount: int) -> float:
    """Nano-dollars as dollars, for people and JSON."""
    return amount / NANO
