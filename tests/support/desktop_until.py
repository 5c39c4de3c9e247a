"""Waiting for, and looking at, what happens inside this process."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = 10

T = TypeVar("T")


def now(value: T) -> T:
    """The value of an attribute that changes behind a type checker's back."""
    return value


async def until(holds: Callable[[], bool]) -> None:
    """Return as soon as `holds` is true; it is checked about every millisecond."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110  # any event of the code under test may be the one
            await asyncio.sleep(0.001)
