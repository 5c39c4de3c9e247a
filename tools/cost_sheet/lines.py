"""The lines of a bill, and their sums."""

from collections.abc import Iterable
from dataclasses import dataclass

from cost_sheet.prices import Price


@dataclass(frozen=True, slots=True)
class Line:
    """A quantity of something at its price.

    `usd` is the cost in an account that uses nothing else; `beyond_free` is the cost in an account
    whose free units are used up by other things.
    """

    what: str
    quantity: float
    price: Price
    why: str = ""

    @property
    def beyond_free(self) -> float:
        """The cost in USD without free units."""
        return self.quantity * self.price.usd

    @property
    def usd(self) -> float:
        """The cost in USD beyond the free units."""
        return max(0.0, self.quantity - self.price.free) * self.price.usd


def total(lines: Iterable[Line]) -> float:
    """The sum in USD, with the free units deducted."""
    return sum(line.usd for line in lines)


def total_beyond_free(lines: Iterable[Line]) -> float:
    """The sum in USD, with no free units."""
    return sum(line.beyond_free for line in lines)
