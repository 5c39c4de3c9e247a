"""What a scenario is, and what it has to work with."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from support.system import Demo
from system.hostile.caller import Caller
from system.hostile.evidence import Evidence
from system.hostile.rig import SignedIn

# The stand-in's token that ends an answer. Forbidden, an answer goes on to its limit.
END_TOKEN: Final = "2"
NEVER_ENDS: Final[dict[str, Any]] = {"logit_bias": {END_TOKEN: -100.0}}
# As long as an answer of the stand-in can be with a short prompt before it.
WHOLE_ANSWER_TOKENS: Final = 960


@dataclass
class Attack:
    """One run of one scenario.

    `hostile` is the hostile user, who calls as `me`; `crowd` are more of the kind; `stranger` has
    no token. `scale` is 1.0
    for the full thing: what counts its requests counts that share of them.
    """

    demo: Demo
    state: dict[str, str]
    hostile: SignedIn
    me: Caller
    crowd: Sequence[Caller]
    stranger: Caller
    evidence: Evidence
    until: float
    scale: float = 1.0

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.until

    def share(self, count: int) -> int:
        """That many, at this scale; at least one."""
        return max(1, round(count * self.scale))

    async def again(
        self, width: int, once: Callable[[int], Awaitable[None]], count: int | None = None
    ) -> None:
        """Do it again and again, `width` at a time, until the time or the count is up."""
        numbers = itertools.count() if count is None else iter(range(count))

        async def loop() -> None:
            for number in numbers:
                if self.is_over:
                    return
                await once(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(loop())


@dataclass(frozen=True, slots=True)
class Scenario:
    """An attack with a name.

    `seconds` bounds it; it may end sooner. `short_seconds` is its bound in CI. `is_raised`: the
    limits by user are out of the way, so that what they hide is tried too; not in CI.
    `takes_slots`: it brings jobs, so the engine's slots are counted afterwards; in CI only where
    `is_probed_short`.
    """

    name: str
    sentence: str
    attack: Callable[[Attack], Awaitable[None]]
    seconds: float = 20.0
    short_seconds: float = 1.2
    is_raised: bool = False
    takes_slots: bool = True
    is_short: bool = True
    is_probed_short: bool = False
