"""After an engine's death with several jobs in it nobody is condemned for a neighbour."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aistratus_daemon.worker.suspects import Suspects


@asynccontextmanager
async def at_once(suspects: Suspects, run: str) -> AsyncIterator[None]:
    """The run is in the engine; it must not have to wait."""
    async with asyncio.timeout(1):
        await suspects.until_admitted(run)
    with suspects.inside(run):
        yield


async def waits(suspects: Suspects, run: str) -> bool:
    try:
        async with asyncio.timeout(0.01):
            await suspects.until_admitted(run)
    except TimeoutError:
        return True
    return False


@pytest.fixture
def suspects() -> Suspects:
    return Suspects()


def test_without_a_death_all_come_in(suspects: Suspects) -> None:
    async def story() -> None:
        async with at_once(suspects, "a"), at_once(suspects, "b"):
            assert not suspects.must_yield("a")

    asyncio.run(story())


def test_a_run_that_was_alone_has_done_it_and_stays_alone(suspects: Suspects) -> None:
    async def story() -> None:
        async with at_once(suspects, "a"):
            suspects.engine_lost()
        assert suspects.is_guilty("a")
        assert await waits(suspects, "b")
        async with at_once(suspects, "a"):
            assert await waits(suspects, "b")
            suspects.clear("a")
            assert not await waits(suspects, "b")

    asyncio.run(story())


def test_of_several_nobody_has_done_it_and_each_is_tried_alone_in_turn(suspects: Suspects) -> None:
    async def story() -> None:
        async with at_once(suspects, "a"), at_once(suspects, "b"):
            suspects.engine_lost()
        assert not suspects.is_guilty("a")
        assert not suspects.is_guilty("b")
        assert await waits(suspects, "b")
        assert await waits(suspects, "c")
        async with at_once(suspects, "a"):
            assert not suspects.must_yield("a")
            assert await waits(suspects, "b")
            suspects.clear("a")
            assert suspects.must_yield("a"), "b waits for the engine"
            assert await waits(suspects, "b"), "a has not left yet"
        async with at_once(suspects, "b"):
            suspects.clear("b")
            async with at_once(suspects, "a"), at_once(suspects, "c"):
                assert not suspects.must_yield("b")

    asyncio.run(story())


def test_once_the_guilty_one_is_found_the_others_are_cleared(suspects: Suspects) -> None:
    async def story() -> None:
        async with at_once(suspects, "a"), at_once(suspects, "b"), at_once(suspects, "c"):
            suspects.engine_lost()
        async with at_once(suspects, "a"):
            suspects.engine_lost()
        assert suspects.is_guilty("a")
        assert await waits(suspects, "b")
        suspects.clear("a")
        async with at_once(suspects, "b"), at_once(suspects, "c"):
            pass

    asyncio.run(story())


def test_an_engine_that_dies_with_nobody_in_it_accuses_nobody(suspects: Suspects) -> None:
    async def story() -> None:
        suspects.engine_lost()
        async with at_once(suspects, "a"), at_once(suspects, "b"):
            assert not suspects.is_guilty("a")

    asyncio.run(story())


def test_who_waits_is_woken_by_the_last_one_s_leaving(suspects: Suspects) -> None:
    async def story() -> None:
        async with at_once(suspects, "a"), at_once(suspects, "b"):
            suspects.engine_lost()
            waiting = asyncio.create_task(suspects.until_admitted("a"))
            await asyncio.sleep(0)
            assert not waiting.done()
        async with asyncio.timeout(1):
            await waiting

    asyncio.run(story())
