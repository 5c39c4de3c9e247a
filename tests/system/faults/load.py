"""People who ask, read along, lose patience and hang up."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Final

from aistratus_contracts.job import Job, new_conversation_id
from support.cloud import Cloud
from support.fault_proxy import FaultProxy
from system.faults.checker import RULES_IN_PASSING, Violation, check
from system.faults.history import Accepted, CancelAsked, History
from system.faults.watching import Watcher

QUESTIONS: Final = (
    "What is Aistratus?",
    "What does it cost?",
    "How do I start it?",
    "Where does the model run?",
    "What happens when the worker dies?",
    "And who sees my prompts?",
)
MAX_TURNS: Final = 4
MAX_TOKENS: Final = 120
CANCELLED_SHARE: Final = 0.1
SECOND_READER_SHARE: Final = 0.3
# The others ask their next question before they have the answer to the last.
PATIENT_SHARE: Final = 0.5


@dataclass
class Load:
    """Clients, as many as `clients`, who go on asking while `wants_more` says so."""

    cloud: Cloud
    readers: FaultProxy
    history: History
    chance: random.Random
    wants_more: Callable[[], bool]
    asked: int = 0
    ended: int = 0
    hang_ups: int = 0
    violations: list[Violation] = field(default_factory=list)
    _names: "count[int]" = field(default_factory=count)

    async def run(self, clients: int) -> None:
        """Ask; returns when each client has read its last answer to its end."""
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client())

    async def _client(self) -> None:
        while self.wants_more():
            await self._conversation()

    async def _conversation(self) -> None:
        conversation = new_conversation_id()
        async with asyncio.TaskGroup() as group:
            for turn in range(1, self.chance.randint(1, MAX_TURNS) + 1):
                self.asked += 1
                job = await asyncio.to_thread(
                    self.cloud.put_job,
                    self.chance.choice(QUESTIONS),
                    conversation_id=conversation,
                    max_tokens=MAX_TOKENS,
                )
                self.history.add(Accepted(monotonic(), job.job_id, conversation, turn))
                reading = group.create_task(self._read_to_end(job))
                if self.chance.random() < SECOND_READER_SHARE:
                    group.create_task(self._read(job))
                if self.chance.random() < CANCELLED_SHARE:
                    group.create_task(self._cancel(job))
                if self.chance.random() < PATIENT_SHARE:
                    await reading

    async def _read_to_end(self, job: Job) -> None:
        await self._read(job)
        self.ended += 1
        self.violations += check(self.history.of_job(job.job_id), RULES_IN_PASSING)

    async def _read(self, job: Job) -> None:
        watcher = Watcher(
            f"reader-{next(self._names)}", job.job_id, self.readers, self.chance, self.history.add
        )
        await watcher.follow()
        self.hang_ups += watcher.hang_ups

    async def _cancel(self, job: Job) -> None:
        await asyncio.sleep(self.chance.uniform(0, 3))
        await asyncio.to_thread(self.cloud.cancel, job)
        self.history.add(CancelAsked(monotonic(), job.job_id))
