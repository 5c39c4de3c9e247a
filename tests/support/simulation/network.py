"""The way to AWS and back, with what can go wrong on it, and the SDK's own retries."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
)

from support.doubles.aws import error
from support.simulation.world import Process

LATENCY_SECONDS: Final = (0.001, 0.02)
# Codes that botocore's standard retry mode retries.
_RETRIED_CODES: Final = frozenset({"ThrottlingException", "RequestThrottled"})
_MAX_BACKOFF_SECONDS: Final = 20.0


class Fault(StrEnum):
    """What happens to one request."""

    LOST_REQUEST = "lost request"  # never arrives; the caller waits until it gives up
    LOST_ANSWER = "lost answer"  # is done; the caller waits until it gives up
    RESET_REQUEST = "reset request"  # never arrives; the caller knows at once
    RESET_ANSWER = "reset answer"  # is done; the caller hears of a broken connection
    THROTTLED = "throttled"
    CONFLICT = "conflict"  # a transaction meets another one; other requests meet no fault
    SLOW = "slow"  # arrives late, perhaps after the caller gave up


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service says: a value, or an error that the SDK raises."""

    value: Any = None
    error: Exception | None = None


Reply = Callable[[Answer], None]


@dataclass
class Link:
    """One process's way to AWS: the faults that its next requests meet, by service."""

    process: Process
    planned: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    # By service: each request fails with this probability until that time.
    storms: dict[str, tuple[float, float]] = field(default_factory=dict)
    # How late a slow request arrives; None for anything up to past the caller's patience.
    slow_seconds: tuple[float, float] | None = None

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.planned.clear()
        self.storms.clear()

    def next_fault(self, service: str) -> Fault | None:
        """What happens to the next request to that service."""
        if self.planned[service]:
            return self.planned[service].popleft()
        world = self.process.world
        rate, until = self.storms.get(service, (0.0, 0.0))
        if world.now < until and world.random.random() < rate:
            return world.random.choice(list(Fault))
        return None


@dataclass
class Sdk:
    """How a boto3 client sends requests to one service; its settings are botocore's."""

    link: Link
    service: str
    read_timeout: float
    total_max_attempts: int

    def call(self, operation: str, serve: Callable[[Reply], None]) -> Any:
        """The answer's value. Blocks, and may only be called in a thread of the process."""
        process = self.link.process

        def ask(wake: Reply) -> None:
            self._send(operation, serve, wake)

        for number in range(self.total_max_attempts):
            answer = process.wait_for(ask)
            if answer.error is None:
                return answer.value
            if not _is_transient(answer.error) or number == self.total_max_attempts - 1:
                raise answer.error
            pause = process.world.random.random() * 2**number
            process.sleep(min(pause, _MAX_BACKOFF_SECONDS))
        raise AssertionError("unreachable: the last try returns or raises")

    def _send(self, operation: str, serve: Callable[[Reply], None], wake: Reply) -> None:
        world = self.link.process.world
        fault = self.link.next_fault(self.service)
        if fault is not None:
            world.tell(f"{self.link.process.name}: {operation} meets: {fault}")
        way = world.random.uniform(*LATENCY_SECONDS)
        gone = Answer(error=ReadTimeoutError(endpoint_url=self.service))
        broken = Answer(error=ConnectionClosedError(endpoint_url=self.service))
        world.after(self.read_timeout, lambda: wake(gone))

        def reply(answer: Answer) -> None:
            if fault is Fault.LOST_ANSWER:
                return
            said = broken if fault is Fault.RESET_ANSWER else answer
            world.after(world.random.uniform(*LATENCY_SECONDS), lambda: wake(said))

        if fault is Fault.LOST_REQUEST:
            return
        if fault is Fault.RESET_REQUEST:
            world.after(way, lambda: wake(broken))
        elif fault is Fault.THROTTLED:
            no = error("ThrottlingException", "Rate exceeded")
            world.after(way, lambda: reply(Answer(error=no)))
        elif fault is Fault.CONFLICT and operation == "TransactWriteItems":
            reasons = [{"Code": "TransactionConflict"}]
            no = error("TransactionCanceledException", CancellationReasons=reasons)
            world.after(way, lambda: reply(Answer(error=no)))
        else:
            if fault is Fault.SLOW:
                slow = self.link.slow_seconds or (0.2, 1.5 * self.read_timeout)
                way += world.random.uniform(*slow)
            world.after(way, lambda: serve(reply))


def _is_transient(error: Exception) -> bool:
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"] in _RETRIED_CODES
    return isinstance(error, BotoCoreError)
