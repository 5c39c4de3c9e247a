"""How long to wait before a retry."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 8.0
# The server may ask for more than our own longest pause, but a person is waiting.
LONGEST_RETRY_AFTER_SECONDS: Final = 30.0
# The largest extra part of the server's pause, so that many clients do not return in step.
RETRY_AFTER_JITTER: Final = 0.25


@dataclass(frozen=True, slots=True)
class Pace:
    """Exponential back-off with full jitter, on a clock that tests can replace."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic

    async def back_off(self, failures: int, retry_after: float | None = None) -> None:
        """Pause after the given number of consecutive failures (1, 2, 3 …).

        Full jitter, so that many clients do not return in step: a random part of
        0.25 s · 2^(failures - 1), at most 8 s. The server's `retry_after`, up to 30 s plus up to a
        quarter at random, is a lower bound.
        """
        ceiling = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 16))
        pause = ceiling * self.chance()
        if retry_after is not None:
            pause = max(pause, self.wish(retry_after))
        await self.sleep(pause)

    def wish(self, retry_after: float) -> float:
        """The pause in seconds for the server's `retry_after`."""
        return min(retry_after, LONGEST_RETRY_AFTER_SECONDS) * (
            1 + RETRY_AFTER_JITTER * self.chance()
        )

    def left(self, retry_after: float, since: float) -> float:
        """How many seconds of the server's `retry_after` are left, `since` a time of the clock."""
        return max(0.0, min(retry_after, LONGEST_RETRY_AFTER_SECONDS) - (self.clock() - since))
