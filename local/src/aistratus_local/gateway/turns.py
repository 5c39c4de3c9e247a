"""Shares a function's environments fairly between users.

On Lambda a user's calls take whatever the account has left. Here one user gets at most a share of
the environments, and waiting calls are admitted user by user, in turn. So however many calls one
user makes, another user's call waits for at most one to end.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TooManyCalls(Exception):
    """The user already has the maximum number of waiting calls: 429."""


class Turns:
    """`places` in all, at most `places_per_user` of them for one user at a time.

    `waiting_per_user` is how many more calls of a user may wait. `_queues` holds the waiting calls
    of each user; the users are in the order of their turns.
    """

    def __init__(self, places: int, places_per_user: int, waiting_per_user: int) -> None:
        self._free = places
        self._places_per_user = places_per_user
        self._waiting_per_user = waiting_per_user
        self._held: Counter[str] = Counter()
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def place(self, user: str) -> AsyncIterator[None]:
        """Wait for this user's turn, then hold a place for the length of the block."""
        if self._may_enter(user) and user not in self._queues:
            self._take(user)
        else:
            await self._wait(user)
        try:
            yield
        finally:
            self._give_back(user)

    def _may_enter(self, user: str) -> bool:
        return self._free > 0 and self._held[user] < self._places_per_user

    def _take(self, user: str) -> None:
        self._free -= 1
        self._held[user] += 1

    def _give_back(self, user: str) -> None:
        self._free += 1
        self._held[user] -= 1
        if not self._held[user]:
            del self._held[user]
        self._let_in()

    async def _wait(self, user: str) -> None:
        """Wait for the turn; returns with the place taken."""
        queue = self._queues.setdefault(user, deque())
        if len(queue) >= self._waiting_per_user:
            raise TooManyCalls
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It got its turn just as it was cancelled.
                self._give_back(user)
            elif turn in queue:
                self._leave(user, turn)
            raise

    def _leave(self, user: str, turn: asyncio.Future[None]) -> None:
        queue = self._queues[user]
        queue.remove(turn)
        if not queue:
            del self._queues[user]

    def _let_in(self) -> None:
        """Give free places to waiting calls, one per user in turn."""
        while self._free > 0:
            user = next((user for user in self._queues if self._may_enter(user)), None)
            if user is None:
                return
            turn = self._queues[user].popleft()
            if self._queues[user]:
                self._queues.move_to_end(user)
            else:
                del self._queues[user]
            if not turn.done():
                self._take(user)
                turn.set_result(None)
