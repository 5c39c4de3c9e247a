"""What an operator does while the system is under fire, and very many hostile jobs."""

import asyncio
from typing import Any, Final

from support.system import demo_environment, run_local
from system.hostile.scenario import NEVER_ENDS, Attack, Scenario
from system.hostile.scenarios.grammars import GRAMMARS

HOSTILE_JOBS: Final = 10_000


async def redrive(attack: Attack) -> None:
    """An operator puts everything back from the dead-letter queue, again and again."""
    environment = demo_environment(attack.demo.state_dir)

    async def operate() -> None:
        while not attack.is_over:
            done = await asyncio.to_thread(
                run_local, "redrive", "--all", "--json", environment=environment
            )
            if done.returncode != 0:
                attack.evidence.found(f"make redrive ended with code {done.returncode}.")

    async def fire(_: int) -> None:
        await attack.me.ask("a", max_tokens=16)

    await asyncio.gather(operate(), attack.again(6, fire))


async def very_many(attack: Attack) -> None:
    """Ten thousand jobs that each want something else of a slot than to be answered."""
    formats = [wanted for _, wanted in GRAMMARS.values()]
    kinds: list[dict[str, Any]] = [
        {"response_format": formats[0]},
        {"max_tokens": 1},
        {"max_tokens": 200, **NEVER_ENDS},
        {"logit_bias": {str(2**31 - 1): 1.0}},
        {"stop": ["a"], "max_tokens": 8},
        {"max_tokens": 64},
    ]
    callers = [attack.me, *attack.crowd]

    async def once(number: int) -> None:
        caller = callers[number % len(callers)]
        accepted = await caller.ask(f"a{number}", **kinds[number % len(kinds)])
        if accepted is None:
            return
        if number % 3 == 0:
            await caller.cancel(accepted["job_id"])
        if number % 7 == 0:
            await caller.delete(accepted["conversation_id"])
        else:
            await caller.follow(accepted["job_id"])

    await attack.again(24, once, attack.share(HOSTILE_JOBS))


SCENARIOS: Final = (
    Scenario("redrive-under-fire", "Redrive, again and again, while prompts come.", redrive),
    Scenario(
        "very-many",
        "Ten thousand hostile jobs; then every slot serves.",
        very_many,
        seconds=3600,
        is_probed_short=True,
        is_raised=True,
        is_short=False,
    ),
)
