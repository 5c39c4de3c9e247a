"""What a scenario finds: figures, with their bars, and cells of the throughput table."""

import statistics
from dataclasses import dataclass, field
from enum import StrEnum


class Sense(StrEnum):
    """On which side of its bar a figure has to be."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"


@dataclass(frozen=True, slots=True)
class Bar:
    """What was promised."""

    sense: Sense
    value: float

    def is_met(self, value: float) -> bool:
        """Whether a value keeps the promise."""
        return value >= self.value if self.sense is Sense.AT_LEAST else value <= self.value

    @property
    def text(self) -> str:
        """As `≥ 2.0`."""
        return f"{'≥' if self.sense is Sense.AT_LEAST else '≤'} {self.value:g}"


def at_least(value: float) -> Bar:
    """A bar to be reached."""
    return Bar(Sense.AT_LEAST, value)


def at_most(value: float) -> Bar:
    """A bar to be kept under."""
    return Bar(Sense.AT_MOST, value)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: a value for each round, and their median."""

    name: str
    unit: str
    rounds: tuple[float, ...]
    bar: Bar | None = None

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.rounds)

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is met; None without one."""
        return None if self.bar is None else self.bar.is_met(self.value)


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one contender with a number of jobs at once.

    Rates are in tokens/s: `tokens_per_second` from the first request to the last answer,
    `prefill_per_second` until all jobs had their first token, `decode_per_second` after that. In a
    contender that does both at once the two overlap, and say less.
    """

    tokens_per_second: float
    prefill_per_second: float | None
    decode_per_second: float | None
    first_token_seconds: tuple[float, ...]
    cpu_ms_per_token: float
    peak_mib: float
    start_seconds: float


@dataclass(frozen=True, slots=True)
class Cell:
    """All rounds of one contender with one number of jobs at once."""

    contender: str
    model: str
    jobs: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def tokens_per_second(self) -> float:
        """The median."""
        return statistics.median(sample.tokens_per_second for sample in self.samples)

    @property
    def cpu_ms_per_token(self) -> float:
        """The median."""
        return statistics.median(sample.cpu_ms_per_token for sample in self.samples)

    @property
    def peak_mib(self) -> float:
        """The highest of any round."""
        return max(sample.peak_mib for sample in self.samples)

    @property
    def first_token_seconds(self) -> list[float]:
        """All jobs' first-token times in all rounds, sorted; empty if they cannot be seen."""
        return sorted(second for sample in self.samples for second in sample.first_token_seconds)


@dataclass
class Found:
    """A scenario's results; `failures` are what could not be measured, and why."""

    figures: list[Figure] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
