"""SQS FIFO queues in memory, with AWS's rules for groups, receipts, duplicates and repeats.

They refuse what SQS refuses, with the same codes. A request that they do not understand raises
`NotImplementedError`: then they must be taught.

Sources: the API reference of each operation; "Amazon SQS FIFO queues" and "quotas" in the Developer
Guide. What AWS leaves open is as in `aistratus_local.emulator.queues` and `receive_attempts`.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from botocore.exceptions import ClientError

from support.doubles.aws import error, forget

DEDUPLICATION_SECONDS: Final = 300.0
ATTEMPT_SECONDS: Final = 300.0
VISIBILITY_SECONDS: Final = 30
MAX_VISIBILITY_SECONDS: Final = 43_200
MAX_BATCH: Final = 10
MAX_WAIT_SECONDS: Final = 20
_ID: Final = re.compile("[!-~]{1,128}")

Item = dict[str, Any]


@dataclass(eq=False)
class Message:
    """A message; `changes` counts what a repeated receive may not have missed."""

    message_id: str
    sent: Item
    sent_at: float
    visible_at: float = 0.0
    received_at: float = 0.0
    receipts: list[str] = field(default_factory=list)
    changes: int = 0

    @property
    def body(self) -> str:
        return str(self.sent["MessageBody"])

    @property
    def group(self) -> str:
        return str(self.sent["MessageGroupId"])

    @property
    def receives(self) -> int:
        """How often it was given out."""
        return len(self.receipts)


@dataclass
class Queue:
    """One queue; `max_receives` is how often it gives out a message before setting it aside."""

    url: str
    monotonic: Callable[[], float] = time.monotonic
    dead_letters: "Queue | None" = None
    max_receives: int | None = None
    max_bytes: int = 2**20
    messages: list[Message] = field(default_factory=list)
    # By group and deduplication id: when it was sent, and its message's id.
    _sent: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)
    _attempts: dict[str, tuple[float, list[tuple[Message, int]]]] = field(default_factory=dict)
    _deleted: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def is_visible(self, message: Message) -> bool:
        """Whether nobody holds it now."""
        return message.visible_at <= self.monotonic()

    def send(self, sent: Item) -> str:
        """Add a message, unless it is a duplicate; returns its id, or the first one's."""
        now, key = self.monotonic(), (sent["MessageGroupId"], sent["MessageDeduplicationId"])
        forget(self._sent, now - DEDUPLICATION_SECONDS)
        if key in self._sent:
            return self._sent[key][1]
        message_id = f"{self.url.rpartition('/')[2]}-{next(self._numbers)}"
        self._sent[key] = now, message_id
        self.messages.append(Message(message_id, sent, now))
        return message_id

    def receive(self, most: int, visibility: int, attempt_id: str | None) -> list[Message]:
        """Give out the oldest messages of groups that have none in flight."""
        now = self.monotonic()
        forget(self._attempts, now - ATTEMPT_SECONDS)
        taken = self._repeated(attempt_id)
        if not taken:
            taken = self._taken(most)
            if attempt_id is not None and taken:
                self._attempts[attempt_id] = now, [(each, each.changes) for each in taken]
        for message in taken:
            message.visible_at = now + visibility
        return taken

    def delete(self, receipt: str) -> None:
        """Delete the message that this receipt holds; once more does nothing."""
        if receipt in self._deleted:
            return
        message = self._given_with(receipt)
        if self._is_lost(message, receipt):
            raise error("InvalidParameterValue", "The receipt handle has expired.")
        self.messages.remove(message)
        message.changes += 1
        self._deleted.update(message.receipts)

    def change_visibility(self, receipt: str, seconds: int) -> None:
        """Hold a message for so many seconds from now; 0 gives it back."""
        if not 0 <= seconds <= MAX_VISIBILITY_SECONDS:
            raise error("InvalidParameterValue", "VisibilityTimeout must be 0 to 43200 seconds.")
        if receipt in self._deleted:
            raise error("InvalidParameterValue", "Message does not exist.")
        message = self._given_with(receipt)
        if self._is_lost(message, receipt):
            raise error("MessageNotInflight", "The message referred to is not in flight.")
        until = self.monotonic() + seconds
        if until - message.received_at > MAX_VISIBILITY_SECONDS:
            raise error("InvalidParameterValue", "Total VisibilityTimeout is beyond the limit.")
        message.visible_at = until
        message.changes += 1

    def _taken(self, most: int) -> list[Message]:
        blocked = {each.group for each in self.messages if not self.is_visible(each)}
        taken: list[Message] = []
        for message in list(self.messages):
            if len(taken) == most:
                break
            if message.group in blocked:
                continue
            if self.dead_letters is not None and message.receives == self.max_receives:
                self.messages.remove(message)
                self.dead_letters.messages.append(message)
                continue
            message.received_at = message.received_at or self.monotonic()
            message.receipts.append(f"{message.message_id}.{message.receives + 1}")
            message.changes += 1
            taken.append(message)
        return taken

    def _repeated(self, attempt_id: str | None) -> list[Message]:
        """The messages that a receive with this id got, if they are still as it left them."""
        _, taken = self._attempts.get(attempt_id or "", (0.0, []))
        if any(message.changes != changes for message, changes in taken):
            raise error("InvalidParameterValue", "The receive call is not retryable.")
        messages = [message for message, _ in taken]
        if any(map(self.is_visible, messages)):
            del self._attempts[attempt_id or ""]
            return []
        return messages

    def _given_with(self, receipt: str) -> Message:
        for message in self.messages:
            if receipt in message.receipts:
                return message
        raise error("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")

    def _is_lost(self, message: Message, receipt: str) -> bool:
        return message.receipts[-1] != receipt or self.is_visible(message)


class Queues:
    """The service: the queues by address, and each request to them.

    `changed` gets a queue, and in how many seconds a receive from it may find more than now.
    """

    def __init__(self, *queues: Queue) -> None:
        self.by_url = {queue.url: queue for queue in queues}
        self.changed: Callable[[Queue, float], None] = lambda queue, seconds: None

    def handle(self, operation: str, call: Item) -> Item:
        """Answer one request, without waiting; raises `ClientError`."""
        if not call.keys() <= _KNOWN[operation] | {"QueueUrl"}:
            raise NotImplementedError(f"{operation} does not know {call.keys()}.")
        queue = self.by_url.get(call["QueueUrl"])
        if queue is None:
            raise error("AWS.SimpleQueueService.NonExistentQueue", "The queue does not exist.")
        match operation:
            case "SendMessage":
                answer: Item = {"MessageId": queue.send(_checked(queue, call))}
                self.changed(queue, 0.0)
            case "ReceiveMessage":
                answer = self._receive(queue, call)
            case "DeleteMessage":
                queue.delete(call["ReceiptHandle"])
                answer = {}
                self.changed(queue, 0.0)
            case "ChangeMessageVisibility":
                answer = self._change(queue, call)
            case "ChangeMessageVisibilityBatch":
                answer = self._change_batch(queue, call["Entries"])
            case _:
                answer = {"Attributes": _numbers(queue, call["AttributeNames"])}
        return answer

    def _receive(self, queue: Queue, call: Item) -> Item:
        most = call.get("MaxNumberOfMessages", 1)
        visibility = call.get("VisibilityTimeout", VISIBILITY_SECONDS)
        is_valid = 1 <= most <= MAX_BATCH and 0 <= visibility <= MAX_VISIBILITY_SECONDS
        if not is_valid or not 0 <= call.get("WaitTimeSeconds", 0) <= MAX_WAIT_SECONDS:
            raise error("InvalidParameterValue", "A number of ReceiveMessage is out of its range.")
        taken = queue.receive(most, visibility, call.get("ReceiveRequestAttemptId"))
        if not taken:
            return {}
        self.changed(queue, visibility)
        return {"Messages": [_shown(message, call) for message in taken]}

    def _change(self, queue: Queue, call: Item) -> Item:
        queue.change_visibility(call["ReceiptHandle"], call["VisibilityTimeout"])
        self.changed(queue, call["VisibilityTimeout"])
        return {}

    def _change_batch(self, queue: Queue, entries: list[Item]) -> Item:
        ids = {entry["Id"] for entry in entries}
        for is_wrong, code in (
            (not entries, "EmptyBatchRequest"),
            (len(entries) > MAX_BATCH, "TooManyEntriesInBatchRequest"),
            (len(ids) < len(entries), "BatchEntryIdsNotDistinct"),
        ):
            if is_wrong:
                raise error(f"AWS.SimpleQueueService.{code}")
        done, failed = [], []
        for entry in entries:
            try:
                self._change(queue, entry)
                done.append({"Id": entry["Id"]})
            except ClientError as refusal:
                failed.append({"Id": entry["Id"], "SenderFault": True, **refusal.response["Error"]})
        return {"Successful": done, "Failed": failed}


_KNOWN: Final = {
    "SendMessage": {
        "MessageBody",
        "MessageGroupId",
        "MessageDeduplicationId",
        "MessageAttributes",
    },
    "ReceiveMessage": {
        "MaxNumberOfMessages",
        "MessageAttributeNames",
        "MessageSystemAttributeNames",
        "ReceiveRequestAttemptId",
        "VisibilityTimeout",
        "WaitTimeSeconds",
    },
    "DeleteMessage": {"ReceiptHandle"},
    "ChangeMessageVisibility": {"ReceiptHandle", "VisibilityTimeout"},
    "ChangeMessageVisibilityBatch": {"Entries"},
    "GetQueueAttributes": {"AttributeNames"},
}


def _checked(queue: Queue, sent: Item) -> Item:
    """The message, if it is one that a FIFO queue takes."""
    if not sent.get("MessageGroupId"):
        raise error("MissingParameter", "The request must contain MessageGroupId.")
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        if _ID.fullmatch(sent.get(name, "")) is None:
            raise error("InvalidParameterValue", f"The value of {name} is invalid.")
    texts = [sent["MessageBody"]]
    for name, each in sent.get("MessageAttributes", {}).items():
        texts += name, each["DataType"], each["StringValue"]
    if not texts[0] or sum(len(text.encode()) for text in texts) > queue.max_bytes:
        raise error("InvalidParameterValue", f"A message has 1 to {queue.max_bytes} bytes.")
    return sent


def _numbers(queue: Queue, names: list[str]) -> dict[str, str]:
    visible = sum(map(queue.is_visible, queue.messages))
    numbers = {
        "ApproximateNumberOfMessages": str(visible),
        "ApproximateNumberOfMessagesNotVisible": str(len(queue.messages) - visible),
    }
    return {name: numbers[name] for name in names}


def _shown(message: Message, call: Item) -> Item:
    """A message as a receive shows it, with the attributes that it asks for."""
    system = {
        "MessageGroupId": message.group,
        "SentTimestamp": str(int(message.sent_at * 1000)),
        "ApproximateReceiveCount": str(message.receives),
    }
    wanted, own = call.get("MessageAttributeNames", ()), message.sent.get("MessageAttributes", {})
    shown = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipts[-1],
        "Body": message.body,
        "Attributes": {name: system[name] for name in call.get("MessageSystemAttributeNames", ())},
        "MessageAttributes": {name: own[name] for name in wanted if name in own},
    }
    # What is empty is left out.
    return {name: value for name, value in shown.items() if value}
