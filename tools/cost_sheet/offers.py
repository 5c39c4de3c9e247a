"""A month's bill by prompts per day: ours, and those of other services one could rent.

People ask in sittings: several prompts, a minute apart. Sittings begin at random times during the
active hours (a Poisson process). A machine that turns itself off is on during a sitting and for
its idle timeout afterwards; overlapping sittings share it. With r sittings per hour that each hold
a machine for D hours, it is on for a share 1 - exp(-r D) of the time and starts r exp(-r D) times
per hour (the busy periods of an M/D/inf queue).
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
    """A service that runs a model, with its bill: USD per month by prompts per day."""

    name: str
    month: Callable[[float], float]
    is_ours: bool = False


def offers(sheet: Sheet) -> list[Offer]:
    """All offers, ours first."""
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
    """The hours on and the starts in a month, with `together` prompts per sitting."""
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
    """RunPod: its timeout is shorter than the pause between prompts, so each is a sitting."""
    held = given.ANSWER_SECONDS + given.RUNPOD_IDLE_SECONDS
    second = sheet.prices["runpod_flex_24gb"].usd

    def month(prompts: float) -> float:
        on, starts = on_and_starts(prompts, 1, held)
        return (on * 3600 + starts * given.RUNPOD_START_SECONDS) * second

    return month


def cheaper_from(offer: Offer, other: Offer, most: int = MOST_PROMPTS_PER_DAY) -> int | None:
    """The prompts per day from which `offer` is cheaper than `other`, up to `most`; or None."""
    since = None
    for prompts in range(1, most + 1):
        if offer.month(prompts) >= other.month(prompts):
            since = None
        elif since is None:
            since = prompts
    return since
