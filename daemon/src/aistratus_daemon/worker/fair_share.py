"""Fairness: a worker's last free slot goes to the user with the fewest jobs running on it.

A user's messages come in lanes (`aistratus_contracts.lanes`), with one in flight per lane, however
many wait. Past those, the queue gives out other users' messages. So when one slot is free and the
message at hand belongs to a user with jobs running here, or served here recently, the worker holds
it and keeps receiving: each receive brings another lane. The slot goes to the user with the fewest
jobs running here; among equals, to the user served here longest ago, or never. All other messages
go back at once, to their old places.

So ten thousand prompts of one user delay another user's first token by no more than one job's
length, even on an engine with a single slot. No slot stays empty for this: if nobody else waits,
the first message is begun after one empty receive or, for a user with many jobs, one per lane.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

from aistratus_contracts.lanes import user_of

# Enough receives to get past two users with all their lanes full.
MAX_LOOKS: Final = 32
# A user not among this many most recently served counts as never served.
REMEMBERED_USERS: Final = 256


class Waiting(Protocol):
    """What is known about a message before it is read."""

    @property
    def group(self) -> str:
        """Its message group."""

    @property
    def receives(self) -> int:
        """How many times the queue has given it out."""


T = TypeVar("T", bound=Waiting)


class FairShare:
    """Each user's share of one worker, kept in one event loop.

    A message received `patience` times is begun rather than put back again: otherwise the queue
    would in time make it a dead letter.
    """

    def __init__(self, patience: int | None = None) -> None:
        self._patience = patience
        self._running: Counter[str] = Counter()
        # The most recently served user comes last.
        self._served: dict[str, int] = {}
        self._begun = 0

    def began(self, message: Waiting) -> None:
        """Note that a job of the message's user has begun."""
        user = user_of(message.group)
        self._running[user] += 1
        self._begun += 1
        self._served.pop(user, None)
        self._served[user] = self._begun
        if len(self._served) > REMEMBERED_USERS:
            del self._served[next(iter(self._served))]

    def ended(self, message: Waiting) -> None:
        """Note that it has ended."""
        user = user_of(message.group)
        self._running[user] -= 1
        if not self._running[user]:
            del self._running[user]

    def is_first(self, message: Waiting) -> bool:
        """Whether no waiting message could have a better claim to a slot."""
        user = user_of(message.group)
        is_new = user not in self._running and user not in self._served
        return is_new or self._is_out_of_patience(message)

    def first_of(self, found: Sequence[T]) -> T:
        """The message with the best claim; among equals, the one found first."""
        return min(found, key=self._rank)

    async def look(self, first: T, receive: Callable[[], Awaitable[T | None]]) -> list[T]:
        """The first message, and others that may have a better claim.

        `receive` returns another message at once, or None if there is none or no time for it.
        """
        found = [first]
        if self.is_first(first):
            return found
        while len(found) <= MAX_LOOKS and (message := await receive()) is not None:
            found.append(message)
            if self.is_first(message):
                break
        return found

    def _rank(self, message: Waiting) -> tuple[bool, int, int]:
        user = user_of(message.group)
        return (
            not self._is_out_of_patience(message),
            self._running[user],
            self._served.get(user, 0),
        )

    def _is_out_of_patience(self, message: Waiting) -> bool:
        return self._patience is not None and message.receives >= self._patience
