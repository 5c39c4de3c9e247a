"""One scenario from beginning to end: attack, quiet user, what is left, what came of the jobs."""

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from system.hostile import slots
from system.hostile.caller import Caller, calling
from system.hostile.evidence import Evidence
from system.hostile.processes import Seen, Watch
from system.hostile.quiet import Round
from system.hostile.rig import Rig
from system.hostile.scenario import Attack, Scenario

# What accepted jobs may take to end by themselves when nothing more comes, and once cancelled.
NATURAL_END_SECONDS: Final = 20.0
CANCELLED_END_SECONDS: Final = 45.0
# And beyond that for each of them, to be looked at.
LOOK_SECONDS: Final = 0.05
READERS: Final = 8
# The attacker's own work is somebody else's machine's: the system's processes go first.
ATTACKER_NICENESS: Final = 10


@dataclass(frozen=True, slots=True)
class Run:
    """What was seen of one scenario."""

    scenario: Scenario
    evidence: Evidence
    rounds: Sequence[Round]
    seen: Seen
    slots: int
    slots_serving: int | None
    seconds: float


def run(
    rig: Rig, scenario: Scenario, seconds: float, scale: float, *, is_probed: bool = True
) -> Run:
    """Attack for so many seconds at most; the system is idle again afterwards, or spoilt.

    `is_probed`: slots are counted, if the scenario takes any.
    """
    evidence = Evidence()
    watch = Watch(rig.demo)
    began = time.monotonic()
    rig.quiet.go()
    try:
        _in_thread(rig, scenario, evidence, seconds, scale)
    finally:
        rounds = rig.quiet.pause()
    is_probed = is_probed and scenario.takes_slots and _is_up(rig)
    serving = slots.serving(rig) if is_probed else None
    seen = watch.end()
    rig.is_spoilt = (
        not _is_up(rig)
        or bool(seen.replaced)
        or bool(evidence.unended)
        or (serving is not None and serving < rig.slots)
        or any(each.end != "succeeded" for each in rounds)
    )
    took = time.monotonic() - began
    return Run(scenario, evidence, rounds, seen, rig.slots, serving, took)


def _is_up(rig: Rig) -> bool:
    return rig.demo.process.poll() is None


def _in_thread(
    rig: Rig, scenario: Scenario, evidence: Evidence, seconds: float, scale: float
) -> None:
    """The attack in a thread of its own, whose share of the processor comes last."""
    failed: list[BaseException] = []

    def attack() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), ATTACKER_NICENESS)
        try:
            asyncio.run(_attack(rig, scenario, evidence, seconds, scale))
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            failed.append(error)

    thread = threading.Thread(target=attack)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


async def _attack(
    rig: Rig, scenario: Scenario, evidence: Evidence, seconds: float, scale: float
) -> None:
    state = rig.demo.state
    hostile = rig.newcomer(f"hostile-{scenario.name}-{time.monotonic_ns()}")
    async with AsyncExitStack() as stack:
        url = state["api_url"]
        tokens = [hostile.token, *(person.token for person in rig.crowd), ""]
        me, *crowd, stranger = [
            await stack.enter_async_context(calling(url, token, evidence)) for token in tokens
        ]
        attack = Attack(
            demo=rig.demo,
            me=me,
            crowd=crowd,
            stranger=stranger,
            evidence=evidence,
            until=time.monotonic() + seconds,
            scale=scale,
            hostile=hostile,
            state=state,
        )
        try:
            async with asyncio.timeout(seconds):
                await scenario.attack(attack)
        except TimeoutError:
            evidence.is_cut = True
        patience = min(NATURAL_END_SECONDS, 4.0 + 2 * seconds)
        await asyncio.gather(*(until_ended(it, evidence, patience) for it in (me, *crowd)))


async def until_ended(caller: Caller, evidence: Evidence, natural_seconds: float) -> None:
    """See all jobs of a caller to their ends; what does not end by itself is cancelled."""
    await caller.until_heard()
    left = await _see_off(caller, list(caller.jobs), natural_seconds)
    if left:
        evidence.cancelled_at_end += len(left)
        for job_id in left:
            await caller.cancel(job_id)
        left = await _see_off(caller, left, CANCELLED_END_SECONDS)
    evidence.unended += left


async def _see_off(caller: Caller, jobs: Sequence[str], seconds: float) -> list[str]:
    """Those of the jobs that have not ended after so long; those that were deleted are gone."""
    waiting = iter(jobs)

    async def read() -> None:
        for job_id in waiting:
            await caller.follow(job_id)

    readers = [asyncio.create_task(read()) for _ in range(READERS)]
    await asyncio.wait(readers, timeout=seconds + len(jobs) * LOOK_SECONDS)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    return [job_id for job_id in jobs if job_id in caller.jobs]
