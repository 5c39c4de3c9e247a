"""SQS FIFO on the simulated clock, with the rules of `aistratus_local.emulator.queues`.

It has one more rule, which the emulator lacks: a receive repeated with its ReceiveRequestAttemptId
gets the same message with the same receipt.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from support.simulation.network import Answer, Reply, Sdk, refusal
from support.simulation.world import World

DEDUPLICATION_SECONDS: Final = 300.0
_EXPIRED: Final = "The receipt handle has expired."


@dataclass(eq=False)
class _Message:
    message_id: str
    body: str
    group: str
    receipt: str = ""
    visible_at: float = 0.0
    receives: int = 0


@dataclass(eq=False)
class _Poll:
    """A receive that waits for a message."""

    until: float
    visibility: float
    attempt_id: str
    reply: Reply


@dataclass
class FifoQueue:
    """One queue; each method is what the service does when a request has arrived."""

    world: World
    name: str
    messages: list[_Message] = field(default_factory=list)
    _deleted: set[str] = field(default_factory=set)
    _sent: dict[str, tuple[float, str]] = field(default_factory=dict)
    _attempts: dict[str, tuple[float, _Message, str]] = field(default_factory=dict)
    _polls: list[_Poll] = field(default_factory=list)
    _numbers: Callable[[], int] = field(default_factory=lambda: count(1).__next__)

    def send(self, body: str, group: str, deduplication_id: str) -> str:
        """SendMessage; a duplicate is accepted and answered with the first one's id."""
        at, message_id = self._sent.get(deduplication_id, (-DEDUPLICATION_SECONDS - 1, ""))
        if self.world.now - at <= DEDUPLICATION_SECONDS:
            return message_id
        message = _Message(f"{self.name}-{self._numbers()}", body, group)
        self._sent[deduplication_id] = (self.world.now, message.message_id)
        self.messages.append(message)
        self._serve_polls()
        return message.message_id

    def receive(self, wait: float, visibility: float, attempt_id: str, reply: Reply) -> None:
        """ReceiveMessage of one message, waiting for it for that many seconds."""
        poll = _Poll(self.world.now + wait, visibility, attempt_id, reply)
        if not self._serve(poll):
            self._polls.append(poll)
            self.world.after(wait, lambda: self._end(poll))

    def delete(self, receipt: str) -> str | None:
        """DeleteMessage; returns the reason for a refusal."""
        if receipt in self._deleted:
            return None
        message = self._message_with(receipt)
        if message is None or self._is_visible(message):
            return _EXPIRED
        self.messages.remove(message)
        self._deleted.add(receipt)
        self._serve_polls()
        return None

    def change_visibility(self, receipt: str, seconds: float) -> str | None:
        """ChangeMessageVisibility, from now on; returns the code of a refusal."""
        if receipt in self._deleted:
            return "InvalidParameterValue"
        message = self._message_with(receipt)
        if message is None or self._is_visible(message):
            return "MessageNotInflight"
        self._hide(message, seconds)
        # A repeated receive gets the same message only while nobody has touched it.
        self._attempts = {
            name: entry for name, entry in self._attempts.items() if entry[1] is not message
        }
        if not seconds:
            self._serve_polls()
        return None

    def _serve_polls(self) -> None:
        for poll in list(self._polls):
            if self._serve(poll):
                self._polls.remove(poll)

    def _end(self, poll: _Poll) -> None:
        if poll in self._polls:
            self._polls.remove(poll)
            poll.reply(Answer({}))

    def _serve(self, poll: _Poll) -> bool:
        message = self._again(poll) or self._next()
        if message is None:
            return False
        self._hide(message, poll.visibility)
        self._attempts[poll.attempt_id] = (self.world.now, message, message.receipt)
        poll.reply(
            Answer(
                {
                    "Messages": [
                        {
                            "MessageId": message.message_id,
                            "ReceiptHandle": message.receipt,
                            "Body": message.body,
                            "Attributes": {
                                "MessageGroupId": message.group,
                                "ApproximateReceiveCount": str(message.receives),
                            },
                        }
                    ]
                }
            )
        )
        return True

    def _again(self, poll: _Poll) -> _Message | None:
        """The message that this receive got before, if it is still as it was."""
        at, message, receipt = self._attempts.get(poll.attempt_id, (0.0, None, ""))
        if message is None or self.world.now - at > DEDUPLICATION_SECONDS:
            return None
        is_same = message.receipt == receipt and not self._is_visible(message)
        return message if is_same and message in self.messages else None

    def _next(self) -> _Message | None:
        blocked = {m.group for m in self.messages if not self._is_visible(m)}
        for message in self.messages:
            if message.group not in blocked:
                message.receives += 1
                message.receipt = f"{message.message_id}-{message.receives}"
                return message
        return None

    def _hide(self, message: _Message, seconds: float) -> None:
        message.visible_at = self.world.now + seconds
        if seconds:
            self.world.after(seconds, self._serve_polls)

    def _is_visible(self, message: _Message) -> bool:
        return message.visible_at <= self.world.now

    def _message_with(self, receipt: str) -> _Message | None:
        return next((m for m in self.messages if m.receipt == receipt), None)


@dataclass
class SimulatedSqs:
    """A boto3 client of SQS: the calls that the worker makes, and no other."""

    sdk: Sdk
    queues: dict[str, FifoQueue]

    def receive_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803 - boto3's names
        MaxNumberOfMessages: int,  # noqa: N803
        WaitTimeSeconds: int,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
        MessageSystemAttributeNames: list[str],  # noqa: N803
        ReceiveRequestAttemptId: str,  # noqa: N803
    ) -> dict[str, Any]:
        assert MaxNumberOfMessages == 1
        assert MessageSystemAttributeNames == ["MessageGroupId", "ApproximateReceiveCount"]
        queue = self.queues[QueueUrl]
        answer: dict[str, Any] = self.sdk.call(
            "ReceiveMessage",
            lambda reply: queue.receive(
                WaitTimeSeconds, VisibilityTimeout, ReceiveRequestAttemptId, reply
            ),
        )
        return answer

    def change_message_visibility(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        ReceiptHandle: str,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
    ) -> None:
        operation, queue = "ChangeMessageVisibility", self.queues[QueueUrl]

        def serve(reply: Reply) -> None:
            code = queue.change_visibility(ReceiptHandle, VisibilityTimeout)
            reply(Answer(error=refusal(code, operation) if code else None))

        self.sdk.call(operation, serve)

    def change_message_visibility_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: list[dict[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        assert Entries, "AWS refuses an empty batch"
        assert len(Entries) <= 10, "AWS refuses a longer batch"
        queue = self.queues[QueueUrl]

        def serve(reply: Reply) -> None:
            failed = []
            for entry in Entries:
                code = queue.change_visibility(entry["ReceiptHandle"], entry["VisibilityTimeout"])
                if code is not None:
                    failed.append({"Id": entry["Id"], "SenderFault": True, "Code": code})
            reply(Answer({"Failed": failed}))

        answer: dict[str, Any] = self.sdk.call("ChangeMessageVisibilityBatch", serve)
        return answer

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        operation, queue = "DeleteMessage", self.queues[QueueUrl]

        def serve(reply: Reply) -> None:
            why = queue.delete(ReceiptHandle)
            error = refusal("InvalidParameterValue", operation, why) if why else None
            reply(Answer(error=error))

        self.sdk.call(operation, serve)

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MessageBody: str,  # noqa: N803
        MessageGroupId: str,  # noqa: N803
        MessageDeduplicationId: str,  # noqa: N803
        MessageAttributes: dict[str, Any],  # noqa: ARG002, N803
    ) -> dict[str, Any]:
        queue = self.queues[QueueUrl]
        answer: dict[str, Any] = self.sdk.call(
            "SendMessage",
            lambda reply: reply(
                Answer(
                    {"MessageId": queue.send(MessageBody, MessageGroupId, MessageDeduplicationId)}
                )
            ),
        )
        return answer
