"""Computed conversations that have lost their slot, kept in the host's memory.

A slot is where a conversation is computed; there are only as many as run at once. When another
needs it, what it holds is copied here, and comes back when its conversation goes on: a copy takes
milliseconds where computing it again takes seconds.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from aistratus_daemon.engine.llama import State


@dataclass(frozen=True, slots=True)
class Parked:
    """What llama.cpp held for these tokens."""

    tokens: tuple[int, ...]
    state: State


@dataclass
class ParkingLot:
    """Conversations by their cache key; the one unused for longest makes room."""

    limit_bytes: int
    used_bytes: int = 0
    _kept: OrderedDict[str, Parked] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, key: str, parked: Parked) -> None:
        """Keep a conversation, in place of what was kept of it before."""
        self.take(key)
        size = parked.state.nbytes
        if size > self.limit_bytes:
            return
        while self.used_bytes + size > self.limit_bytes:
            oldest = next(iter(self._kept))
            self.take(oldest)
        self._kept[key] = parked
        self.used_bytes += size

    def look(self, key: str) -> Parked | None:
        """What is kept of a conversation."""
        return self._kept.get(key)

    def take(self, key: str) -> Parked | None:
        """Hand out a conversation, and keep it no more."""
        parked = self._kept.pop(key, None)
        if parked is not None:
            self.used_bytes -= parked.state.nbytes
        return parked
