"""Whether all of the engine's slots serve: as many users as slots run a job each, all at once."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from system.hostile.caller import Caller, calling
from system.hostile.evidence import Evidence, run_span
from system.hostile.rig import Rig
from system.hostile.scenario import NEVER_ENDS, WHOLE_ANSWER_TOKENS

# A slot that is gone stays gone; a job that came late, and so missed the others, is no proof.
TRIES: Final = 3
BEGIN_SECONDS: Final = 30.0

Span = tuple[float, float]


def serving(rig: Rig) -> int:
    """How many jobs were seen to run at once, of as many as there are slots."""
    best = 0
    for _ in range(TRIES):
        spans = asyncio.run(_spans(rig, rig.slots, is_whole=False))
        best = max(best, at_once(spans))
        if best >= rig.slots:
            break
    return best


def whole_job_seconds(rig: Rig, users: int) -> float:
    """The longest that a job of the whole context takes, with so many users at it."""
    spans = asyncio.run(_spans(rig, users, is_whole=True))
    return max(end - began for began, end in spans)


def at_once(spans: Sequence[Span]) -> int:
    """The most that ran at one moment. One that begins as another ends is not beside it."""
    edges = sorted([(end, -1) for _, end in spans] + [(began, 1) for began, _ in spans])
    most = running = 0
    for _, change in edges:
        running += change
        most = max(most, running)
    return most


async def _spans(rig: Rig, users: int, *, is_whole: bool) -> list[Span]:
    """From when to when each user's job ran; cut short, unless whole, once all have begun."""
    async with AsyncExitStack() as stack:
        url = rig.demo.state["api_url"]
        callers = [
            await stack.enter_async_context(calling(url, person.token, Evidence()))
            for person in rig.crowd[:users]
        ]
        asked = await asyncio.gather(*(_ask(caller) for caller in callers))
        running = [
            (caller, job) for caller, job in zip(callers, asked, strict=True) if job is not None
        ]
        if not running:
            return []
        if not is_whole:
            begun = [caller.follow(job, only_until_text=True) for caller, job in running]
            await asyncio.wait([asyncio.ensure_future(it) for it in begun], timeout=BEGIN_SECONDS)
            await asyncio.gather(*(caller.cancel(job) for caller, job in running))
        logs = [asyncio.ensure_future(caller.follow(job)) for caller, job in running]
        ended, _ = await asyncio.wait(logs, timeout=BEGIN_SECONDS * (4 if is_whole else 1))
    return [span for log in ended if (span := run_span(log.result() or [])) is not None]


async def _ask(caller: Caller) -> str | None:
    accepted = await caller.ask("Count.", max_tokens=WHOLE_ANSWER_TOKENS, **NEVER_ENDS)
    return None if accepted is None else str(accepted["job_id"])
