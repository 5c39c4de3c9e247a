"""DynamoDB and SQS at the other end of the simulated network.

The services are the doubles in memory; here they get a clock that jumps, polls that wait on it, and
clients whose requests may be lost.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from support.doubles.aws import Client
from support.doubles.dynamodb import Table
from support.doubles.sqs import Queue, Queues
from support.simulation.network import Answer, Reply, Sdk
from support.simulation.world import World

# Small, so that a query of many items takes several reads, between which the table changes.
PAGE_ITEMS: Final = 8
_READS: Final = frozenset({"GetItem", "Query"})


@dataclass(eq=False)
class _Poll:
    """A receive that waits for a message."""

    call: dict[str, Any]
    reply: Reply


@dataclass
class Polls:
    """The service's receives, which wait for messages as long as they say."""

    world: World
    queues: Queues
    _waiting: defaultdict[str, list[_Poll]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.queues.changed = self._changed

    def receive(self, call: dict[str, Any], reply: Reply) -> None:
        """Answer now, or as soon as there is a message, or empty when the wait is over."""
        poll = _Poll(call, reply)
        if not self._serve(poll):
            self._waiting[call["QueueUrl"]].append(poll)
            self.world.after(call["WaitTimeSeconds"], lambda: self._end(poll))

    def _changed(self, queue: Queue, seconds: float) -> None:
        self.world.after(seconds, lambda: self._serve_all(queue.url))

    def _serve_all(self, url: str) -> None:
        for poll in list(self._waiting[url]):
            if self._serve(poll):
                self._waiting[url].remove(poll)

    def _serve(self, poll: _Poll) -> bool:
        answer = _answer(lambda: self.queues.handle("ReceiveMessage", poll.call))
        if answer.value == {}:
            return False
        poll.reply(answer)
        return True

    def _end(self, poll: _Poll) -> None:
        if poll in self._waiting[poll.call["QueueUrl"]]:
            self._waiting[poll.call["QueueUrl"]].remove(poll)
            poll.reply(Answer({}))


def sqs_client(sdk: Sdk, polls: Polls) -> Client:
    """boto3's client of SQS in one process."""

    def send(operation: str, call: dict[str, Any]) -> Any:
        def serve(reply: Reply) -> None:
            if operation == "ReceiveMessage":
                polls.receive(call, reply)
            else:
                reply(_answer(lambda: polls.queues.handle(operation, call)))

        return sdk.call(operation, serve)

    return Client(send)


def dynamodb_client(sdk: Sdk, table: Table) -> Client:
    """boto3's client of DynamoDB in one process, which must see what it has written."""

    def send(operation: str, call: dict[str, Any]) -> Any:
        assert operation not in _READS or call["ConsistentRead"]
        by = sdk.link.process.name
        return sdk.call(
            operation, lambda reply: reply(_answer(lambda: table.handle(operation, call, by)))
        )

    return Client(send)


def _answer(serve: Callable[[], dict[str, Any]]) -> Answer:
    try:
        return Answer(serve())
    except ClientError as refusal:
        return Answer(error=refusal)
