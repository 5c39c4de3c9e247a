"""In-memory queues, as strict as SQS FIFO, for tests and measurements; goes with `memory`."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from aistratus_router.memory import error

DEDUPLICATION_SECONDS: Final = 300
VISIBILITY_SECONDS: Final = 30


@dataclass
class _Waiting:
    call: dict[str, Any]
    number: int
    sent_at: float
    visible_at: float = 0.0
    receipts: list[str] = field(default_factory=list)

    def is_held(self, now: float) -> bool:
        return self.visible_at > now


class MemoryQueue:
    """The calls of a low-level SQS client, on any number of FIFO queues.

    `messages` keeps every SendMessage that was accepted, on any queue.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.messages: list[dict[str, Any]] = []
        self._monotonic = monotonic
        self._seen: dict[tuple[str, str], float] = {}
        self._waiting: dict[str, list[_Waiting]] = {}
        self._numbers = count(1)

    def send_message(self, **call: Any) -> Any:
        """SendMessage; a repeated deduplication id within five minutes is accepted and dropped."""
        if not call["MessageGroupId"] or not call["MessageBody"]:
            raise error("InvalidParameterValue")
        now = self._monotonic()
        key = call["QueueUrl"], call["MessageDeduplicationId"]
        seen = self._seen.get(key)
        if seen is None or now - seen >= DEDUPLICATION_SECONDS:
            self._seen[key] = now
            self.messages.append(call)
            waiting = _Waiting(call, next(self._numbers), now)
            self._waiting.setdefault(call["QueueUrl"], []).append(waiting)
        return {"MessageId": str(len(self.messages))}

    def receive_message(self, **call: Any) -> Any:
        """ReceiveMessage, without waiting; a group with a message in flight delivers none."""
        now = self._monotonic()
        queue = self._waiting.get(call["QueueUrl"], [])
        blocked = {held.call["MessageGroupId"] for held in queue if held.is_held(now)}
        free = [each for each in queue if each.call["MessageGroupId"] not in blocked]
        taken = free[: call.get("MaxNumberOfMessages", 1)]
        for each in taken:
            each.visible_at = now + call.get("VisibilityTimeout", VISIBILITY_SECONDS)
            each.receipts.append(f"{each.number}.{len(each.receipts) + 1}")
        return {"Messages": [_shown(each) for each in taken]} if taken else {}

    def delete_message(self, **call: Any) -> Any:
        """DeleteMessage, by the latest receipt, while it is valid."""
        waiting = self._held(call["QueueUrl"], call["ReceiptHandle"])
        if waiting is None:
            raise error("InvalidParameterValue", "The receipt handle has expired.")
        self._waiting[call["QueueUrl"]].remove(waiting)
        return {}

    def change_message_visibility_batch(self, **call: Any) -> Any:
        """ChangeMessageVisibilityBatch: each entry succeeds or fails by itself."""
        failed = []
        for entry in call["Entries"]:
            waiting = self._held(call["QueueUrl"], entry["ReceiptHandle"])
            if waiting is None:
                failed.append({"Id": entry["Id"], "SenderFault": True, "Code": "Expired"})
            else:
                waiting.visible_at = self._monotonic() + entry["VisibilityTimeout"]
        return {"Failed": failed}

    def get_queue_attributes(self, **call: Any) -> Any:
        """GetQueueAttributes: how many messages are visible, and how many are in flight."""
        now = self._monotonic()
        held = [each.is_held(now) for each in self._waiting.get(call["QueueUrl"], [])]
        numbers = {
            "ApproximateNumberOfMessages": str(held.count(False)),
            "ApproximateNumberOfMessagesNotVisible": str(held.count(True)),
        }
        return {"Attributes": {name: numbers[name] for name in call["AttributeNames"]}}

    def _held(self, url: str, receipt: str) -> _Waiting | None:
        now = self._monotonic()
        for each in self._waiting.get(url, []):
            if each.receipts[-1:] == [receipt] and each.is_held(now):
                return each
        return None


def _shown(waiting: _Waiting) -> dict[str, Any]:
    return {
        "MessageId": f"message-{waiting.number}",
        "ReceiptHandle": waiting.receipts[-1],
        "Body": waiting.call["MessageBody"],
        "Attributes": {
            "MessageGroupId": waiting.call["MessageGroupId"],
            "SentTimestamp": str(int(waiting.sent_at * 1000)),
            "ApproximateReceiveCount": str(len(waiting.receipts)),
        },
        "MessageAttributes": waiting.call.get("MessageAttributes", {}),
    }
