"""A month's bill by prompts a day: ours, and what else one could rent.

People ask in sittings: some prompts, a minute apart. Sittings begin at any time of the active
hours (a Poisson process). A machine that turns itself off is on while a sitting lasts and for its
idle timeout after it; sittings that meet share it. With sittings at rate r an hour that hold a
machine for D hours each, it is on for a share 1 - exp(-r D) of the time and starts r exp(-r D)
times an hour (the busy periods of a queue with as many servers as are needed, M/D/inf).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cost_sheet import assumptions as given
from cost_sheet.prices import instance_price
from cost_sheet.sheet import ON_DEMAND, SPOT, Sheet

MOST_PROMPTS_PER_DAY: Final = 10_000
_INSTANCE: Final = "g6.xlarge"


@dataclass(frozen=True, slots=True)
class Offer:
    """A way to have a model answer, and its bill: USD a month by prompts a day."""

    name: str
    month: Callable[[float], float]
    is_ours: bool = False


def offers(sheet: Sheet) -> list[Offer]:
    """Ours first."""
    prices = sheet.prices
    gpu = sheet.gpu_hour_usd
    hours = given.HOURS_PER_MONTH
    volumes = next(
        line.beyond_free for line in sheet.gpu_hour(_INSTANCE, ON_DEMAND) if line.what == "volumes"
    )
    instance = prices[instance_price(_INSTANCE)].usd
    always_on = (instance + prices["public_ipv4"].usd + volumes) * hours
    return [
        Offer("Aistratus, Spot", _ours(sheet, gpu(_INSTANCE, SPOT)), is_ours=True),
        Offer("Aistratus, on-demand", _ours(sheet, gpu(_INSTANCE, ON_DEMAND)), is_ours=True),
        Offer("g6.xlarge, always on", lambda _: always_on),
        Offer("SageMaker real time, ml.g6.xlarge", lambda _: prices["ml_g6_xlarge"].usd * hours),
        Offer("SageMaker real time, ml.g5.xlarge", lambda _: prices["ml_g5_xlarge"].usd * hours),
        Offer("SageMaker asynchronous, ml.g6.xlarge", _asynchronous(sheet)),
        Offer("RunPod Serverless, 24 GB", _runpod(sheet)),
    ]


def on_and_starts(
    prompts_per_day: float, together: int, held_seconds: float
) -> tuple[float, float]:
    """Hours on, and starts, in a month; `together` prompts come in one sitting."""
    active = given.ACTIVE_HOURS_PER_DAY * given.DAYS_PER_MONTH
    rate = prompts_per_day / together / given.ACTIVE_HOURS_PER_DAY
    held = held_seconds / 3600
    return active * -math.expm1(-rate * held), active * rate * math.exp(-rate * held)


def _sitting_seconds() -> float:
    pauses = (given.PROMPTS_PER_SITTING - 1) * given.SECONDS_BETWEEN_PROMPTS
    return pauses + given.ANSWER_SECONDS


def _ours(sheet: Sheet, gpu_hour_usd: float) -> Callable[[float], float]:
    held = _sitting_seconds() + sheet.configured.idle_timeout_seconds

    def month(prompts: float) -> float:
        on, starts = on_and_starts(prompts, given.PROMPTS_PER_SITTING, held)
        hours = on + starts * given.BOOT_SECONDS / 3600
        asked = prompts * given.DAYS_PER_MONTH / 1000
        return (
            sheet.idle_usd
            + hours * gpu_hour_usd
            + starts * sheet.wake_usd
            + asked * sheet.thousand_prompts_usd
        )

    return month


def _asynchronous(sheet: Sheet) -> Callable[[float], float]:
    held = _sitting_seconds() + sheet.configured.idle_timeout_seconds
    hour = sheet.prices["ml_g6_xlarge"].usd
    request = sheet.prices["state_write"].usd * given.ASYNC_STORE_REQUESTS

    def month(prompts: float) -> float:
        on, starts = on_and_starts(prompts, given.PROMPTS_PER_SITTING, held)
        hours = on + starts * given.ASYNC_START_SECONDS / 3600
        return hours * hour + prompts * given.DAYS_PER_MONTH * request

    return month


def _runpod(sheet: Sheet) -> Callable[[float], float]:
    """Its timeout is shorter than the pause between two prompts: each is a sitting."""
    held = given.ANSWER_SECONDS + given.RUNPOD_IDLE_SECONDS
    second = sheet.prices["runpod_flex_24gb"].usd

    def month(prompts: float) -> float:
        on, starts = on_and_starts(prompts, 1, held)
        return (on * 3600 + starts * given.RUNPOD_START_SECONDS) * second

    return month


def cheaper_from(offer: Offer, other: Offer, most: int = MOST_PROMPTS_PER_DAY) -> int | None:
    """From how many prompts a day on `offer` costs less than `other`, up to `most`; None: never."""
    since = None
    for prompts in range(1, most + 1):
        if offer.month(prompts) >= other.month(prompts):
            since = None
        elif since is None:
            since = prompts
    return since
