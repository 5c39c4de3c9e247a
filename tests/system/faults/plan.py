"""What is done to the system, and when: the same for the same seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from support.fault_proxy import Weather


class Kind(StrEnum):
    """A fault."""

    KILL_WORKER = "kill worker"
    KILL_ENGINE = "kill engine"
    STOP_WORKER = "stop worker"
    HANG_ENGINE = "hang engine"
    DRAIN_WORKER = "drain worker"
    CUT = "cut"
    SLOW = "slow"
    RESETS = "resets"
    THROTTLED = "throttled"
    BROKEN = "broken"


# How often each is chosen, by default.
WEIGHTS: Final[dict[Kind, float]] = {
    Kind.KILL_WORKER: 4,
    Kind.KILL_ENGINE: 4,
    Kind.STOP_WORKER: 1.5,
    Kind.HANG_ENGINE: 0.5,
    Kind.DRAIN_WORKER: 1.5,
    Kind.CUT: 1,
    Kind.SLOW: 0.5,
    Kind.RESETS: 1,
    Kind.THROTTLED: 0.5,
    Kind.BROKEN: 0.5,
}
KILLS: Final = (Kind.KILL_WORKER, Kind.KILL_ENGINE)


@dataclass(frozen=True, slots=True)
class Fault:
    """After a `pause` in seconds since the one before: what, to which instance, for how long."""

    pause: float
    kind: Kind
    instance: int
    seconds: float

    def __str__(self) -> str:
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind} {self.instance + 1}{lasts}"


def plan(seed: int, instances: int, mean_pause: float, visibility_seconds: int) -> Iterator[Fault]:
    """Faults without end. Of the first ten, each kind comes once: a short run sees them all."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, no secret
    first = list(Kind)
    chance.shuffle(first)
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    while True:
        kind = first.pop() if first else chance.choices(kinds, weights)[0]
        yield Fault(
            pause=min(chance.expovariate(1 / mean_pause), 3 * mean_pause),
            kind=kind,
            instance=chance.randrange(instances),
            seconds=_seconds(kind, chance, visibility_seconds),
        )


def weather_of(kind: Kind) -> Weather | None:
    """What a fault of the network or of the cloud is to a proxy."""
    return {
        Kind.CUT: Weather(is_cut=True),
        Kind.SLOW: Weather(latency_seconds=0.5),
        Kind.RESETS: Weather(resets=0.25),
        Kind.THROTTLED: Weather(throttled=0.3),
        Kind.BROKEN: Weather(broken=0.25),
    }.get(kind)


def _seconds(kind: Kind, chance: random.Random, visibility_seconds: int) -> float:
    match kind:
        case Kind.STOP_WORKER:
            # Always past the visibility timeout, so that others have its jobs when it goes on.
            return visibility_seconds + chance.uniform(0.5, 2.5)
        case Kind.CUT:
            return chance.uniform(0.5, 1.5 * visibility_seconds)
        case Kind.HANG_ENGINE:
            return chance.uniform(0.5, 2.0)
        case Kind.SLOW | Kind.RESETS | Kind.THROTTLED | Kind.BROKEN:
            return chance.uniform(1.0, 4.0)
    return 0.0
