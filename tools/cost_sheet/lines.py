"""A line of a bill, and sums of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from cost_sheet.prices import Price


@dataclass(frozen=True, slots=True)
class Line:
    """So many units of something, at its price.

    `usd` is what an account pays that uses nothing else; `beyond_free` what it pays whose free
    units others have used up.
    """

    what: str
    quantity: float
    price: Price
    why: str = ""

    @property
    def beyond_free(self) -> float:
        """USD, without the free units."""
        return self.quantity * self.price.usd

    @property
    def usd(self) -> float:
        """USD, after the free units."""
        return max(0.0, self.quantity - self.price.free) * self.price.usd


def total(lines: Iterable[Line]) -> float:
    """What they come to, after the free units."""
    return sum(line.usd for line in lines)


def total_beyond_free(lines: Iterable[Line]) -> float:
    """What they come to, without the free units."""
    return sum(line.beyond_free for line in lines)
