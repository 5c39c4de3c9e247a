"""Computed conversations that have lost their slot, kept in the host's memory.

A conversation is computed in a slot, and there are only as many slots as run at once. When another
conversation needs a slot, its content is copied here, and comes back when its own conversation
goes on: a copy takes milliseconds, computing it again seconds.
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
    """Conversations by their cache key; the least recently used makes room."""

    limit_bytes: int
    used_bytes: int = 0
    _kept: OrderedDict[str, Parked] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, key: str, parked: Parked) -> None:
        """Keep a conversation, in place of its earlier state."""
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
        """Take out a conversation."""
        parked = self._kept.pop(key, None)
        if parked is not None:
            self.used_bytes -= parked.state.nbytes
        return parked
