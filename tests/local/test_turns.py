"""Places are shared by users in turn: who wants many does not make others wait."""

import asyncio

import pytest

from aistratus_local.gateway.turns import TooManyCalls, Turns

pytestmark = pytest.mark.anyio


class Calls:
    """Calls of several users on some places; each holds its place until it is let go."""

    def __init__(self, places: int, per_user: int, waiting: int) -> None:
        self.turns = Turns(places, per_user, waiting)
        self.held: list[tuple[str, asyncio.Event]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.refused: list[str] = []

    async def _hold(self, user: str) -> None:
        try:
            async with self.turns.place(user):
                held = user, asyncio.Event()
                self.held.append(held)
                try:
                    await held[1].wait()
                finally:
                    self.held.remove(held)
        except TooManyCalls:
            self.refused.append(user)

    async def call(self, *users: str) -> None:
        self.tasks += [asyncio.create_task(self._hold(user)) for user in users]
        await self.until_still()

    async def end(self, user: str) -> None:
        """One call of a user ends."""
        next(event for held, event in self.held if held == user).set()
        await self.until_still()

    async def until_still(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    def users(self) -> str:
        return "".join(sorted(user for user, _ in self.held))


async def test_one_user_has_a_part_of_the_places_at_most() -> None:
    calls = Calls(4, per_user=2, waiting=100)
    await calls.call(*"aaaaaaaa")
    assert calls.users() == "aa"
    await calls.call("b")
    assert calls.users() == "aab"


async def test_those_who_wait_are_let_in_user_by_user() -> None:
    calls = Calls(2, per_user=2, waiting=100)
    await calls.call(*"aaaaaa", *"bb", "c")
    order = []
    for _ in range(6):
        user = calls.held[0][0]
        before = calls.users()
        await calls.end(user)
        order.append(
            next(u for u in "abc" if calls.users().count(u) > before.count(u) - (u == user))
        )
    assert order == list("abcaba")


async def test_so_many_of_a_user_wait_and_no_more() -> None:
    calls = Calls(1, per_user=1, waiting=2)
    await calls.call(*"aaaaa", "b")
    assert calls.refused == ["a", "a"]
    await calls.end("a")
    await calls.call("a")
    assert calls.refused == ["a", "a"]


async def test_who_gives_up_leaves_no_trace() -> None:
    calls = Calls(2, per_user=1, waiting=100)
    await calls.call(*"aaabbb")
    for task in calls.tasks:
        task.cancel()
    await calls.until_still()
    assert calls.held == []
    await calls.call("a", "b")
    assert calls.users() == "ab"


async def test_a_turn_that_comes_while_it_is_given_up_goes_to_the_next() -> None:
    calls = Calls(1, per_user=1, waiting=100)
    await calls.call(*"abc")
    next(event for _, event in calls.held).set()
    await asyncio.sleep(0)  # a's call ends and lets b in, who has not run since
    calls.tasks[1].cancel()
    await calls.until_still()
    assert calls.users() == "c"


async def test_nobody_is_held_up_by_who_may_have_no_more() -> None:
    calls = Calls(3, per_user=1, waiting=100)
    await calls.call(*"aaaa", *"bbbb")
    await calls.call("c")
    assert calls.users() == "abc"
