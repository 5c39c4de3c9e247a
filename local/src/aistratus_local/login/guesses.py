"""Limits password guesses: a few are free, then there are growing pauses between them.

Tries are counted per name and per address. A pause is always short and ends by itself, and tries
during it neither count nor prolong it. So a person who knows the password gets in, whatever others
do under the same name. A browser that has signed in with the name before has its own count, which
a stranger's tries do not affect.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# Nobody mistypes more often in a row. All users of this machine share one address.
FREE_TRIES_BY_NAME: Final = 5
FREE_TRIES_BY_ADDRESS: Final = 30
MAX_PAUSE_SECONDS: Final = 30.0
FORGET_SECONDS: Final = 15 * 60.0
# Callers can invent any number of names. The least recently tried count is dropped first.
MAX_COUNTS: Final = 10_000


@dataclass(slots=True)
class _Count:
    tries: int = 0
    last: float = 0.0


@dataclass(frozen=True, slots=True)
class Try:
    """A try: the name, the address, and the browser's id if it has signed in by this name."""

    name: str
    address: str
    browser: str = ""

    def counts(self) -> tuple[tuple[str, int], ...]:
        """The counts that it adds to, each with its number of free tries."""
        name = hashlib.sha256(self.name.casefold().encode("utf-8", "replace")).hexdigest()
        if self.browser:
            return ((f"browser {self.browser} {name}", FREE_TRIES_BY_NAME),)
        return (
            (f"name {name}", FREE_TRIES_BY_NAME),
            (f"address {self.address}", FREE_TRIES_BY_ADDRESS),
        )


class Guesses:
    """The counts of one login, in memory; safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def begin(self, who: Try) -> float:
        """Count a try and return 0; or return the seconds to wait before trying.

        A try counts before it is known to be wrong, so that parallel tries count too.
        """
        with self._lock:
            now = self._clock()
            found = [(self._count(key, now), key, free) for key, free in who.counts()]
            wait = max(_pause(count, free, now) for count, _, free in found)
            if wait > 0:
                return wait
            for count, key, _ in found:
                count.tries += 1
                count.last = now
                self._counts[key] = count
                self._counts.move_to_end(key)
            while len(self._counts) > MAX_COUNTS:
                self._counts.popitem(last=False)
        return 0.0

    def was_right(self, who: Try) -> None:
        """Forget the name's tries, and this one try of its address."""
        own, *shared = (key for key, _ in who.counts())
        with self._lock:
            self._counts.pop(own, None)
            for key in shared:
                if key in self._counts:
                    self._counts[key].tries -= 1

    def _count(self, key: str, now: float) -> _Count:
        count = self._counts.get(key)
        return _Count() if count is None or now - count.last > FORGET_SECONDS else count


def _pause(count: _Count, free: int, now: float) -> float:
    """The rest of the pause after the last try: 1 s, 2 s, 4 s … once the free tries are used."""
    if count.tries < free:
        return 0.0
    # The exponent is capped: after many tries the power would be a huge number.
    doubled = 2.0 ** min(count.tries - free, 10)
    return max(0.0, count.last + min(doubled, MAX_PAUSE_SECONDS) - now)
