"""How often a password may be guessed: a few times at once, then with growing pauses.

A name's tries are counted, and an address's. A pause ends by itself and is never long, and what is
tried during one neither counts nor prolongs it: who knows the password gets in, whatever somebody
else does under the same name. A browser that has signed in with this name before has a count of
its own, so that a stranger's tries do not concern it at all.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# Nobody mistypes more often in a row. Everybody on this machine has the same address.
FREE_TRIES_BY_NAME: Final = 5
FREE_TRIES_BY_ADDRESS: Final = 30
MAX_PAUSE_SECONDS: Final = 30.0
FORGET_SECONDS: Final = 15 * 60.0
# Names are the caller's to make up. The one that was tried longest ago makes room.
MAX_COUNTS: Final = 10_000


@dataclass(slots=True)
class _Count:
    tries: int = 0
    last: float = 0.0


@dataclass(frozen=True, slots=True)
class Try:
    """Who tries: a name, from an address; in a browser that is known by this name, or is not."""

    name: str
    address: str
    browser: str = ""

    def counts(self) -> tuple[tuple[str, int], ...]:
        """What it counts for, and how many tries are free there."""
        name = hashlib.sha256(self.name.casefold().encode("utf-8", "replace")).hexdigest()
        if self.browser:
            return ((f"browser {self.browser} {name}", FREE_TRIES_BY_NAME),)
        return (
            (f"name {name}", FREE_TRIES_BY_NAME),
            (f"address {self.address}", FREE_TRIES_BY_ADDRESS),
        )


class Guesses:
    """The counts of one login, in memory; threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def begin(self, who: Try) -> float:
        """Count a try and return 0; or the seconds to wait, and then it must not be made.

        It counts before it is known to be wrong: many at once are no fewer tries.
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
        """Forget the name's tries, and that this one came from its address."""
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
    """What is left of the pause after the last try: 1 s, 2 s, 4 s … once the free ones are gone."""
    if count.tries < free:
        return 0.0
    # Past some tries the power is not worked out: it would be a very long number.
    doubled = 2.0 ** min(count.tries - free, 10)
    return max(0.0, count.last + min(doubled, MAX_PAUSE_SECONDS) - now)
