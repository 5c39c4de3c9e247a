"""Retries of a receive by ReceiveRequestAttemptId, which SQS has and moto lacks.

A receive whose answer was lost has hidden its messages all the same. AWS's remedy for FIFO queues
(API reference of ReceiveMessage, ReceiveRequestAttemptId):

- For five minutes, while the visibility timeout runs, a receive with the same id gets the same
  messages with the same receipt handles and restarts their visibility timeout.
- Not if one of them "was modified (deleted or had its visibility changed)"; another receive since
  then counts too, as it changes the receipt handle. AWS answers `InvalidParameterValue`, "the
  receive call is not retryable" (quoted in awslabs/amazon-sqs-java-messaging-lib, issues 101 and
  213).
- An empty receive is not remembered: the next one with its id looks again. The reference does not
  say so, but otherwise repeating a poll would be useless.
- The reference does not cover a message whose visibility timeout has expired and that was not
  received again. Here such a receive counts as a new one.
- A standard queue refuses the parameter.
"""

import time
from dataclasses import dataclass, field
from typing import Final

from moto.sqs.exceptions import InvalidParameterValue
from moto.sqs.models import Message

REMEMBERED_SECONDS: Final = 300.0


@dataclass
class _Attempt:
    at: float
    messages: list[Message]
    receipts: list[str]
    is_modified: bool = False

    @property
    def is_retryable(self) -> bool:
        """Whether no message has changed since the receive."""
        current = [message.receipt_handle for message in self.messages]
        return not self.is_modified and current == self.receipts

    @property
    def is_in_flight(self) -> bool:
        """Whether the visibility timeout still runs for all of its messages."""
        return not any(message.visible for message in self.messages)


@dataclass
class ReceiveAttempts:
    """The receives of one queue; callers must hold the queue's lock."""

    _by_id: dict[str, _Attempt] = field(default_factory=dict)
    _by_receipt: dict[str, _Attempt] = field(default_factory=dict)

    def repeat(self, attempt_id: str, visibility_timeout: int) -> list[Message]:
        """The messages of the receive with this id, held anew; none if there was no such one."""
        self._forget_old()
        attempt = self._by_id.get(attempt_id)
        if attempt is None:
            return []
        if not attempt.is_retryable:
            raise InvalidParameterValue(
                f"Value {attempt_id} for parameter ReceiveRequestAttemptId is invalid. Reason: "
                "The receiveRequestAttemptId is not valid anymore since the receive call is not "
                "retryable."
            )
        if not attempt.is_in_flight:
            self._forget(attempt_id)
            return []
        for message in attempt.messages:
            message.change_visibility(visibility_timeout)
        return attempt.messages

    def remember(self, attempt_id: str, messages: list[Message]) -> None:
        """Record the messages that the receive with this id got."""
        receipts = [message.receipt_handle or "" for message in messages]
        attempt = _Attempt(time.monotonic(), list(messages), receipts)
        self._by_id[attempt_id] = attempt
        self._by_receipt |= dict.fromkeys(receipts, attempt)

    def modified(self, receipt_handle: str) -> None:
        """Record that this handle's message was deleted or its visibility changed."""
        attempt = self._by_receipt.get(receipt_handle)
        if attempt is not None:
            attempt.is_modified = True

    def _forget_old(self) -> None:
        now = time.monotonic()
        # They are in the order in which they were made.
        for attempt_id, attempt in list(self._by_id.items()):
            if now - attempt.at <= REMEMBERED_SECONDS:
                return
            self._forget(attempt_id)

    def _forget(self, attempt_id: str) -> None:
        for receipt in self._by_id.pop(attempt_id).receipts:
            self._by_receipt.pop(receipt, None)


def refuse_on_standard_queue(attempt_id: str) -> None:
    """Raise AWS's error: only FIFO queues accept the parameter."""
    raise InvalidParameterValue(
        f"Value {attempt_id} for parameter ReceiveRequestAttemptId is invalid. Reason: The "
        "request include parameter that is not valid for this queue type."
    )
