"""Asks as a user does, takes the instance away in mid-answer, and follows what becomes of it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Self

from aistratus_contracts.event import Delta, StateChange, Usage
from aistratus_contracts.job import Message
from aistratus_contracts.registry import Parameter
from aistratus_contracts.states import FinishReason, JobState, Role
from aistratus_desktop.gateway import GatewayClient
from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.smoke.questions import FORM, PROMPT_TOKENS, QUESTION, has_shape

# So many answers are under way that one is whenever the worker looks: it looks every 5 seconds.
AT_ONCE: Final = 4
_LOOK_SECONDS: Final = 1.0
# Within so many seconds the worker has heard that its instance goes.
_HEARD_WITHIN_SECONDS: Final = 15.0

Say = Callable[[str], None]


@dataclass
class Answer:
    """One job as its reader saw it. Times are seconds of the monotonic clock."""

    job_id: str
    asked_at: float
    text: str = ""
    tokens: int = 0
    said: int | None = None
    attempts: list[int] = field(default_factory=list)
    first_at: float | None = None
    resumed_at: float | None = None
    state: JobState = JobState.QUEUED
    finish_reason: FinishReason | None = None

    @property
    def was_interrupted(self) -> bool:
        """Whether one attempt wrote some of it, and another the rest."""
        return len(self.attempts) > 1

    @property
    def is_whole(self) -> bool:
        """Whether the reader got all of it once: every letter, and as many tokens as it has."""
        is_cut = self.finish_reason is FinishReason.LENGTH
        return self.said == self.tokens and has_shape(self.text, is_cut=is_cut)


@dataclass(frozen=True)
class Instances:
    """The group's instances, as Auto Scaling lists them."""

    account: Account
    group: str

    def states(self) -> dict[str, str]:
        """The lifecycle state of each instance."""
        found = self.account.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[self.group]
        )["AutoScalingGroups"]
        return {each["InstanceId"]: each["LifecycleState"] for each in found[0]["Instances"]}

    def in_service(self) -> list[str]:
        """The instances that are neither coming nor going."""
        return [name for name, state in self.states().items() if state == "InService"]

    def take_away(self, instance_id: str) -> None:
        """End an instance as Auto Scaling does: its hook lets the worker drain; another comes."""
        self.account.client("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=instance_id, ShouldDecrementDesiredCapacity=False
        )

    @classmethod
    def of(cls, account: Account, registry: dict[Parameter, str]) -> Self:
        """Those of the group that the registry names."""
        return cls(account, registry[Parameter.FLEET_GROUP])


@dataclass
class Cut:
    """What happened when the instance was taken away; times as in `Answer`."""

    taken: str
    taken_at: float
    successor: str = ""
    successor_at: float | None = None
    answers: list[Answer] = field(default_factory=list)


async def wake(client: GatewayClient, fleet: Instances, say: Say) -> tuple[Answer, float]:
    """Ask one question of a fleet that is off; its answer, and when the first instance was on."""
    answer = await _ask(client)
    reading = asyncio.create_task(_read(client, answer))
    telling = asyncio.create_task(_tell(client, answer, say))
    try:
        instance_at = await _until_in_service(fleet, reading)
        await reading
    finally:
        await _end(reading, telling)
    return answer, instance_at


async def cut(client: GatewayClient, fleet: Instances, say: Say) -> Cut:
    """Take the instance away while it answers; returns when another has finished an answer."""
    answers: list[Answer] = []
    readers: set[asyncio.Task[None]] = set()

    async def ask_one() -> None:
        answer = await _ask(client)
        answers.append(answer)
        readers.add(asyncio.create_task(_read(client, answer)))

    try:
        for _ in range(AT_ONCE):
            await ask_one()
        while not any(answer.text for answer in answers):
            await _some_end(readers)
        before = await asyncio.to_thread(fleet.in_service)
        seen = Cut(before[0], time.monotonic(), answers=answers)
        await asyncio.to_thread(fleet.take_away, seen.taken)
        say(f"  {seen.taken} is taken away, with {len(readers)} answers under way")
        # Answers that end before the worker has heard of it make room for others.
        while not any(answer.was_interrupted for answer in answers):
            await _note_successor(fleet, before, seen, say)
            await _some_end(readers)
            while (
                len(readers) < AT_ONCE and time.monotonic() < seen.taken_at + _HEARD_WITHIN_SECONDS
            ):
                await ask_one()
            if not readers:
                return seen
        await _note_successor(fleet, before, seen, say)
        await asyncio.gather(*readers)
    finally:
        await _end(*readers)
    return seen


async def _ask(client: GatewayClient) -> Answer:
    model = (await client.models())[0]
    accepted = await client.infer(
        [Message(Role.USER, QUESTION)],
        max_tokens=model.context - PROMPT_TOKENS,
        temperature=0.0,
        response_format=FORM,
    )
    return Answer(accepted.job_id, time.monotonic())


async def _read(client: GatewayClient, answer: Answer) -> None:
    """Follow a job to its end; a missing event raises."""
    async with aclosing(client.follow(answer.job_id)) as events:
        async for event in events:
            now = time.monotonic()
            match event.body:
                case Delta(text=text, token_ids=ids):
                    if answer.first_at is None:
                        answer.first_at = now
                    if event.attempt not in answer.attempts:
                        answer.attempts.append(event.attempt)
                        if answer.was_interrupted:
                            answer.resumed_at = now
                    answer.text += text
                    answer.tokens += len(ids)
                case Usage(completion_tokens=said):
                    answer.said = said
                case StateChange(state=state, finish_reason=reason):
                    answer.state, answer.finish_reason = state, reason


async def _tell(client: GatewayClient, answer: Answer, say: Say) -> None:
    async with aclosing(client.waiting(answer.job_id)) as sentences:
        async for sentence in sentences:
            say(f"  {sentence}")


async def _until_in_service(fleet: Instances, reading: "asyncio.Task[Any]") -> float:
    """When the first instance was in service; AWS tells nobody, so it is asked."""
    while not await asyncio.to_thread(fleet.in_service):
        if reading.done():
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return time.monotonic()


async def _note_successor(fleet: Instances, before: list[str], seen: Cut, say: Say) -> None:
    if seen.successor:
        return
    now = await asyncio.to_thread(fleet.in_service)
    new = [name for name in now if name not in before]
    if new:
        seen.successor, seen.successor_at = new[0], time.monotonic()
        say(f"  {new[0]} is on in its place")


async def _some_end(readers: "set[asyncio.Task[None]]") -> None:
    """Wait a moment, or until a reader has come to an end; its error is raised."""
    if not readers:
        return
    done, _ = await asyncio.wait(
        readers, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
    )
    for task in done:
        readers.discard(task)
        task.result()


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
