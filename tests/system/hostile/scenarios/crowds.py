"""More of what is allowed than one user should have."""

import asyncio
from itertools import cycle
from typing import Final

from system.hostile.evidence import code_of
from system.hostile.scenario import NEVER_ENDS, WHOLE_ANSWER_TOKENS, Attack, Scenario

READERS: Final = 500
KEPT_OPEN: Final = 20
POSTS: Final = 1200
# Beyond every limit by user, also where the scenario is short.
MIN_READERS: Final = 100
MIN_KEPT_OPEN: Final = 5
MIN_POSTS: Final = 80
# How long the readers go on once one of them is refused.
HELD_SECONDS: Final = 40
MIN_HELD_SECONDS: Final = 6
BEYOND_ALL_EVENTS: Final = 10**9


async def long_polls(attack: Attack) -> None:
    """500 readers that wait for what does not come, of jobs that are kept open."""
    count = max(MIN_READERS, attack.share(READERS))
    whole = {"max_tokens": WHOLE_ANSWER_TOKENS, **NEVER_ENDS}
    kept_open = max(MIN_KEPT_OPEN, attack.share(KEPT_OPEN))
    asked = [await attack.me.ask("a", **whole) for _ in range(kept_open)]
    open_jobs = cycle([job["job_id"] for job in asked if job is not None] or ["job-none"])
    refused = asyncio.Event()

    async def once(_: int) -> None:
        answer = await attack.me.poll(next(open_jobs), after=BEYOND_ALL_EVENTS)
        if answer is not None and code_of(answer) == "too_many_readers":
            refused.set()
        if answer is not None and answer.status_code == 200 and answer.json()["done"]:
            # Its job has ended, and nothing holds its reader any more: there is a new one.
            await attack.me.ask("a", **whole)

    try:
        async with asyncio.TaskGroup() as group:
            readers = group.create_task(attack.again(count, once))
            # However slow the machine is: once one is refused, more have come than may wait.
            await refused.wait()
            await asyncio.wait([readers], timeout=max(MIN_HELD_SECONDS, attack.share(HELD_SECONDS)))
            readers.cancel()
    finally:
        _expect(attack, f"{count} readers waited at once", {"too_many_readers"})


async def open_jobs(attack: Attack) -> None:
    """More than a thousand prompts as fast as they are taken, none of them read."""
    count = max(MIN_POSTS, attack.share(POSTS))

    async def once(number: int) -> None:
        await attack.me.ask(f"Count to {number}.", max_tokens=64)

    await attack.again(8, once, count)
    if not attack.is_over:
        _expect(attack, f"{count} prompts were sent", {"too_many_open_jobs", "rate_limited"})


def _expect(attack: Attack, what: str, codes: set[str]) -> None:
    """One of these must have been heard by now."""
    if not codes & attack.evidence.codes.keys():
        attack.evidence.found(f"{what}, and none was told {' or '.join(sorted(codes))}.")


async def whole_context(attack: Attack) -> None:
    """Everybody asks for as much as there can be, several times, and reads it."""

    async def once(number: int) -> None:
        caller = attack.crowd[number % len(attack.crowd)]
        accepted = await caller.ask("a", max_tokens=WHOLE_ANSWER_TOKENS, **NEVER_ENDS)
        if accepted is not None:
            await caller.follow(accepted["job_id"])

    everybody = len(attack.crowd)
    await attack.again(max(everybody, attack.share(3 * everybody)), once)


async def abandoned(attack: Attack) -> None:
    """Conversations are opened, their answers begun to be read, and never looked at again."""

    async def once(_: int) -> None:
        accepted = await attack.me.ask("a", max_tokens=256)
        if accepted is not None:
            reading = asyncio.ensure_future(attack.me.poll(accepted["job_id"]))
            await asyncio.wait([reading], timeout=0.02)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    await attack.again(8, once)


async def take_back_everything(attack: Attack) -> None:
    """Each prompt is cancelled and its conversation deleted, both at once, as it is stored."""

    async def once(_: int) -> None:
        accepted = await attack.me.ask("a", max_tokens=256)
        if accepted is not None:
            await asyncio.gather(
                attack.me.cancel(accepted["job_id"]),
                attack.me.delete(accepted["conversation_id"]),
                attack.me.cancel(accepted["job_id"]),
                attack.me.delete(accepted["conversation_id"]),
            )

    await attack.again(6, once)


SCENARIOS: Final = (
    Scenario("long-polls", "500 readers of one user wait at once.", long_polls, 60, 60),
    Scenario("open-jobs", "More than a thousand prompts of one user at once.", open_jobs, 30, 6),
    Scenario("whole-context", "Everybody asks for the whole context at once.", whole_context, 30),
    Scenario(
        "abandoned", "Conversations are opened and abandoned.", abandoned, is_probed_short=True
    ),
    Scenario(
        "take-back-everything",
        "Every prompt is cancelled and its conversation deleted at once.",
        take_back_everything,
        is_probed_short=True,
    ),
)
