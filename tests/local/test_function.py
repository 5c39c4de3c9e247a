"""A function's environments: one event at a time in each, as many as needed, none for ever."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from aistratus_local.gateway.function import Function, FunctionFailed, FunctionTimedOut

T = TypeVar("T")
TESTS = Path(__file__).parents[1]


def event(path: str, query: str = "") -> dict[str, str]:
    return {"rawPath": path, "rawQueryString": query}


def run(
    work: Callable[[Function], Awaitable[T]],
    *,
    timeout: float = 20.0,
    most: int = 64,
    warm: int = 0,
    entry: str = "support.functions.handler",
) -> T:
    async def around() -> T:
        environment = {**os.environ, "PYTHONPATH": str(TESTS), "AWS_REGION": "eu-central-1"}
        function = Function(
            "a-function", entry, environment, timeout_seconds=timeout, max_environments=most
        )
        try:
            await function.start(warm)
            return await work(function)
        finally:
            await function.stop()

    return asyncio.run(around())


async def pid(function: Function) -> int:
    return int((await function.invoke(event("/pid")))["body"])


def is_gone(number: int) -> bool:
    """Whether no such process is left; one that nobody has waited for yet is gone too."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{number}/status").read_text()
    except FileNotFoundError:
        return True


def until_gone(numbers: list[int]) -> None:
    deadline = time.monotonic() + 5
    while not all(is_gone(number) for number in numbers):
        assert time.monotonic() < deadline, "they are still there"
        time.sleep(0.01)


def test_one_after_the_other_share_an_environment() -> None:
    async def work(function: Function) -> set[int]:
        return {await pid(function) for _ in range(5)}

    assert len(run(work)) == 1


def test_at_once_each_has_its_own() -> None:
    async def work(function: Function) -> set[str]:
        calls = [function.invoke(event("/sleep", "0.3")) for _ in range(8)]
        return {answer["body"] for answer in await asyncio.gather(*calls)}

    assert len(run(work)) == 8


def test_a_cold_start_is_short_once_the_function_is_loaded() -> None:
    async def work(function: Function) -> float:
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            held = asyncio.create_task(function.invoke(event("/sleep", "0.5")))
            await pid(function)
            seconds.append(time.perf_counter() - began)
            await held
        return min(seconds)

    assert run(work) < 0.2


def test_no_more_than_the_limit_run_at_once() -> None:
    async def work(function: Function) -> tuple[set[str], float]:
        began = time.monotonic()
        calls = [function.invoke(event("/sleep", "0.2")) for _ in range(6)]
        found = {answer["body"] for answer in await asyncio.gather(*calls)}
        return found, time.monotonic() - began

    pids, seconds = run(work, most=2)
    assert len(pids) == 2
    assert seconds > 0.55


def test_a_crash_is_one_calls_failure() -> None:
    async def work(function: Function) -> tuple[int, int]:
        before = await pid(function)
        with pytest.raises(FunctionFailed, match="crashed"):
            await function.invoke(event("/crash"))
        return before, await pid(function)

    before, after = run(work)
    assert before != after


def test_what_it_raises_stays_in_its_log(capfd: pytest.CaptureFixture[str]) -> None:
    async def work(function: Function) -> str:
        before = await pid(function)
        with pytest.raises(FunctionFailed) as caught:
            await function.invoke(event("/raise"))
        # As on Lambda, the environment lives on.
        assert await pid(function) == before
        return str(caught.value)

    assert run(work) == "a-function raised RuntimeError."
    assert "a secret detail" in capfd.readouterr().err


def test_an_overrun_ends_the_environment() -> None:
    async def work(function: Function) -> tuple[int, int]:
        before = await pid(function)
        with pytest.raises(FunctionTimedOut):
            await function.invoke(event("/sleep", "30"))
        await asyncio.to_thread(until_gone, [before])
        return before, await pid(function)

    before, after = run(work, timeout=1.0)
    assert before != after


def test_a_call_that_is_given_up_does_not_answer_the_next() -> None:
    async def work(function: Function) -> Any:
        call = asyncio.create_task(function.invoke(event("/sleep", "0.2")))
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        return await function.invoke(event("/anything"))

    assert run(work) == {"event": event("/anything")}


def test_the_context_is_lambdas() -> None:
    async def work(function: Function) -> Any:
        return await function.invoke(event("/context"))

    found = run(work)
    assert found["function"] == "a-function"
    assert len(found["request"]) == 36
    assert 10_000 < found["left"] <= 20_000
    assert found["arn"].startswith("arn:aws:lambda:eu-central-1:")


def test_a_function_that_cannot_be_loaded_says_so() -> None:
    with pytest.raises(FunctionFailed, match="could not be loaded"):
        run(pid, entry="support.functions.nothing")


def test_nothing_is_left_at_the_end() -> None:
    async def work(function: Function) -> list[int]:
        calls = [function.invoke(event("/sleep", "0.2")) for _ in range(4)]
        return [int(answer["body"]) for answer in await asyncio.gather(*calls)]

    pids = run(work, warm=2)
    until_gone(pids)
