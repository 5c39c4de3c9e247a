"""Whose turn it is: a worker's last free slot goes to the user who has least of it.

A user's messages come in lanes (`aistratus_contracts.lanes`), one in flight for each, however many
there are. Behind those, the queue gives out what others have sent. So when one slot is free and the
message at hand is of a user who has jobs running here, or was served here not long ago, a worker
receives on, holding what it has: each receive brings another lane. The slot goes to the user with
the fewest jobs running here; among equals, to the one who was served here longest ago, or never.
All else goes back at once, to its old place.

So ten thousand prompts of one user delay another's first token by no more than one job's length,
also where the engine has but one slot. No slot stays empty for it: if nobody else waits, the first
message is begun, after one empty receive or, for a user with many jobs, one per lane.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

from aistratus_contracts.lanes import user_of

# Two users' lanes, all full, are passed in so many receives.
MAX_LOOKS: Final = 32
# Who is not among the last so many that were served counts as never served.
REMEMBERED_USERS: Final = 256


class Waiting(Protocol):
    """What there is to know of a message before it is read."""

    @property
    def group(self) -> str:
        """Its message group."""

    @property
    def receives(self) -> int:
        """How often the queue has given it out."""


T = TypeVar("T", bound=Waiting)


class FairShare:
    """Who has what of one worker. All of it happens in one event loop.

    A message that was given out `patience` times is not put back any more, but begun: the queue
    would set it aside as dead some time.
    """

    def __init__(self, patience: int | None = None) -> None:
        self._patience = patience
        self._running: Counter[str] = Counter()
        # The one served last comes last.
        self._served: dict[str, int] = {}
        self._begun = 0

    def began(self, message: Waiting) -> None:
        """A job of the message's user runs now."""
        user = user_of(message.group)
        self._running[user] += 1
        self._begun += 1
        self._served.pop(user, None)
        self._served[user] = self._begun
        if len(self._served) > REMEMBERED_USERS:
            del self._served[next(iter(self._served))]

    def ended(self, message: Waiting) -> None:
        """It runs no more."""
        user = user_of(message.group)
        self._running[user] -= 1
        if not self._running[user]:
            del self._running[user]

    def is_first(self, message: Waiting) -> bool:
        """Whether nobody who waits could have a better right to a slot."""
        user = user_of(message.group)
        is_new = user not in self._running and user not in self._served
        return is_new or self._is_out_of_patience(message)

    def first_of(self, found: Sequence[T]) -> T:
        """Who has the best right; among equals, who was found first."""
        return min(found, key=self._rank)

    async def look(self, first: T, receive: Callable[[], Awaitable[T | None]]) -> list[T]:
        """The first message, and with it others that may have a better right.

        `receive` brings another message at once, or None where there is none, or no time for it.
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
