"""Moto's SQS, made as strict as AWS about receipt handles.

moto accepts any receipt handle that a message ever had, at any time; a worker that has lost its
message could still delete it, and a test of fencing would pass falsely. Here:

- A handle deletes or extends only while it is the message's latest and its visibility timeout
  runs. Otherwise DeleteMessage on a FIFO queue answers `InvalidParameterValue` (the handle has
  expired; in a batch AWS calls the same thing `ReceiptHandleIsInvalid`), and
  ChangeMessageVisibility answers `MessageNotInflight`.
- On a standard queue, as at AWS, the latest handle deletes until another consumer receives the
  message; an older handle succeeds and deletes nothing.
- Deduplication ids are remembered for five minutes, even after the message was deleted.
- A receive on a FIFO queue may be repeated with its ReceiveRequestAttemptId for five minutes, and
  gets the same messages again (`receive_attempts` has the rules).
- Receives are handled one at a time, and a long poll wakes when a message arrives, becomes
  visible again, or is deleted (which frees its group).
"""

import copy
import re
import time
from collections import defaultdict
from contextvars import ContextVar
from typing import Any, Final

from moto.core.utils import unix_time_millis
from moto.sqs import urls
from moto.sqs.exceptions import (
    BatchEntryIdsNotDistinct,
    EmptyBatchRequest,
    InvalidParameterValue,
    ReceiptHandleIsInvalid,
    SQSException,
    TooManyEntriesInBatchRequest,
)
from moto.sqs.models import (
    DEDUPLICATION_TIME_IN_SECONDS,
    Message,
    Queue,
    _filter_message_attributes,
    sqs_backends,
)
from moto.sqs.responses import SQSResponse

from aistratus_local.emulator.queue_attributes import KeptAttributes
from aistratus_local.emulator.receive_attempts import ReceiveAttempts, refuse_on_standard_queue

# moto ignores this parameter of ReceiveMessage, so it is passed around moto.
_attempt_id: ContextVar[str | None] = ContextVar("_attempt_id", default=None)

MAX_VISIBILITY_SECONDS: Final = 43_200
MAX_BATCH: Final = 10
_ID: Final = re.compile("[!-~]{1,128}")


class MessageNotInflight(SQSException):
    """The message is visible, or another consumer holds it."""

    def __init__(self) -> None:
        super().__init__(
            "MessageNotInflight",
            "The message referred to is not in flight.",
        )


class StrictQueues(KeptAttributes):
    """moto's SQS of one region, with AWS's rules for receipt handles and waiting."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        # Per queue: deduplication id → (sent at, message); kept past the message's deletion.
        self._sent: dict[str, dict[str, tuple[float, Message]]] = {}
        self._attempts: defaultdict[str, ReceiveAttempts] = defaultdict(ReceiveAttempts)

    @property
    def _url_module(self) -> Any:
        # moto looks for it in the module of the class; this class is in another package.
        return urls

    def send_message(
        self, queue_name: str, message_body: str, *args: Any, **kwargs: Any
    ) -> Message:
        """SendMessage; a duplicate is accepted and answered with the first message's id."""
        queue = self.get_queue(queue_name)
        _check_message(queue, message_body, kwargs)
        with queue._messages_lock:
            now = time.monotonic()
            sent = self._sent.setdefault(queue_name, {})
            for old in [k for k, (at, _) in sent.items() if now - at > _DEDUPLICATION_SECONDS]:
                del sent[old]
            key = _deduplication_key(queue, kwargs)
            if key is not None and key in sent:
                return sent[key][1]
            message: Message = super().send_message(queue_name, message_body, *args, **kwargs)
            if key is not None:
                sent[key] = (now, message)
            return message

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        """ReceiveMessage; waits up to `wait_seconds_timeout` for a first message."""
        _check_visibility(visibility_timeout)
        queue = self.get_queue(queue_name)
        attempt_id = _attempt_id.get()
        if attempt_id is not None and not queue.fifo_queue:
            refuse_on_standard_queue(attempt_id)
        deadline = time.monotonic() + wait_seconds_timeout
        with queue._messages_lock:
            while True:
                taken = self._take_or_repeat(queue, count, visibility_timeout, attempt_id)
                left = deadline - time.monotonic()
                if taken or left <= 0:
                    break
                queue._messages_lock.wait(min(left, _until_next_change(queue)))
            answer = []
            for message in taken:
                # A copy: filtering removes attributes that the next receive may want.
                shown = copy.deepcopy(message)
                _filter_message_attributes(shown, message_attribute_names or [])
                answer.append(shown)
            return answer

    def delete_message(self, queue_name: str, receipt_handle: str) -> None:
        """DeleteMessage; succeeds if the message is already deleted."""
        queue = self.get_queue(queue_name)
        with queue._messages_lock:
            if receipt_handle in queue.deleted_messages:
                return
            message = _message_with(queue, receipt_handle)
            is_latest = message.receipt_handle == receipt_handle
            if queue.fifo_queue and (not is_latest or message.visible):
                raise InvalidParameterValue(
                    f"Value {receipt_handle} for parameter ReceiptHandle is invalid. "
                    "Reason: The receipt handle has expired."
                )
            if not is_latest:
                return
            self._attempts[queue_name].modified(receipt_handle)
            queue._messages.remove(message)
            queue.pending_messages.discard(message)
            queue.deleted_messages.update(h for h in message.all_receipt_handles if h)
            queue._messages_lock.notify_all()

    def delete_message_batch(
        self, queue_name: str, receipts: list[dict[str, Any]]
    ) -> tuple[list[str], list[dict[str, Any]]]:
        """DeleteMessageBatch: each entry succeeds or fails by itself."""
        done: list[str] = []
        failed: list[dict[str, Any]] = []
        for entry in receipts:
            try:
                self.delete_message(queue_name, entry["ReceiptHandle"])
                done.append(entry["Id"])
            except InvalidParameterValue:
                failed.append(
                    _failure(entry, "ReceiptHandleIsInvalid", "The receipt handle has expired")
                )
            except ReceiptHandleIsInvalid as error:
                failed.append(_failure(entry, "ReceiptHandleIsInvalid", error.message))
        return done, failed

    def change_message_visibility(
        self, queue_name: str, receipt_handle: str, visibility_timeout: int
    ) -> None:
        """ChangeMessageVisibility, in seconds from now; 0 gives the message back."""
        _check_visibility(visibility_timeout)
        queue = self.get_queue(queue_name)
        with queue._messages_lock:
            if receipt_handle in queue.deleted_messages:
                raise _no_message(receipt_handle)
            message = _message_with(queue, receipt_handle)
            if message.visible or message.receipt_handle != receipt_handle:
                raise MessageNotInflight
            until = unix_time_millis() + visibility_timeout * 1000
            if until - (message.approximate_first_receive_timestamp or 0) > (
                MAX_VISIBILITY_SECONDS * 1000
            ):
                raise InvalidParameterValue(
                    f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. "
                    "Reason: Total VisibilityTimeout for the message is beyond the limit "
                    f"[{MAX_VISIBILITY_SECONDS} seconds]"
                )
            self._attempts[queue_name].modified(receipt_handle)
            # moto counts a message as visible only after this moment, not at it.
            message.visible_at = until if visibility_timeout else 0.0
            if not visibility_timeout:
                queue.pending_messages.discard(message)
            queue._messages_lock.notify_all()

    def change_message_visibility_batch(
        self, queue_name: str, entries: list[dict[str, Any]]
    ) -> tuple[list[str], list[dict[str, Any]]]:
        """ChangeMessageVisibilityBatch: each entry succeeds or fails by itself."""
        _check_batch([entry["Id"] for entry in entries])
        done: list[str] = []
        failed: list[dict[str, Any]] = []
        for entry in entries:
            try:
                seconds = int(entry["VisibilityTimeout"])
                self.change_message_visibility(queue_name, entry["ReceiptHandle"], seconds)
                done.append(entry["Id"])
            except SQSException as error:
                failed.append(_failure(entry, str(error.code), error.message))
        return done, failed

    def _take_or_repeat(
        self, queue: Queue, count: int, visibility_timeout: int, attempt_id: str | None
    ) -> list[Message]:
        """The messages that an earlier receive with this id got, or else new ones."""
        if attempt_id is None:
            return self._take(queue, count, visibility_timeout)
        attempts = self._attempts[queue.name]
        repeated = attempts.repeat(attempt_id, visibility_timeout)
        if repeated:
            return repeated
        taken = self._take(queue, count, visibility_timeout)
        if taken:
            attempts.remember(attempt_id, taken)
        return taken

    def _take(self, queue: Queue, count: int, visibility_timeout: int) -> list[Message]:
        """Up to `count` messages, oldest first; the caller holds the queue's lock."""
        for message in [m for m in queue.pending_messages if m.visible]:
            queue.pending_messages.discard(message)
        blocked = queue.pending_message_groups if queue.fifo_queue else set()
        taken: list[Message] = []
        for message in list(queue._messages):
            if len(taken) == count:
                break
            if not message.visible:
                continue
            if queue.fifo_queue and (message.group_id in blocked or message.delayed):
                # A message that is held back blocks the later ones of its group.
                blocked.add(message.group_id or "")
                continue
            if message.delayed or self._set_aside(queue, message):
                continue
            queue.pending_messages.add(message)
            message.mark_received(visibility_timeout=visibility_timeout)
            taken.append(message)
        return taken

    def _set_aside(self, queue: Queue, message: Message) -> bool:
        """Move the message to the dead-letter queue, or drop it as expired, if it must go."""
        policy = queue.redrive_policy
        if (
            queue.dead_letter_queue is not None
            and policy
            and message.approximate_receive_count >= policy["maxReceiveCount"]
        ):
            queue._messages.remove(message)
            queue.dead_letter_queue.add_message(message)
            return True
        if not self.is_message_valid_based_on_retention_period(queue.name, message):
            queue._messages.remove(message)
            return True
        return False

    def is_message_valid_based_on_retention_period(self, queue_name: str, message: Message) -> bool:
        """Whether the message is within retention; moto would build all attributes for that."""
        kept_seconds = int(self.queues[queue_name].message_retention_period)  # type: ignore[attr-defined]
        sent_at_ms = message.sent_timestamp or 0
        return bool(sent_at_ms + kept_seconds * 1000 > unix_time_millis())


_DEDUPLICATION_SECONDS: Final = float(DEDUPLICATION_TIME_IN_SECONDS)


def _deduplication_key(queue: Queue, sent: dict[str, Any]) -> str | None:
    """The deduplication id within the queue's scope; None if there is none."""
    given = sent.get("deduplication_id")
    if not queue.fifo_queue or given is None:
        return None
    scope = sent.get("group_id") if queue.deduplication_scope == "messageGroup" else ""  # type: ignore[attr-defined]
    return f"{scope}\n{given}"


def _check_message(queue: Queue, body: str, sent: dict[str, Any]) -> None:
    """AWS's rules for a message that moto does not have: its ids, and attributes count as text."""
    for name in ("group_id", "deduplication_id"):
        if sent.get(name) is not None and _ID.fullmatch(sent[name]) is None:
            raise InvalidParameterValue(f"The {name} can only include 1 to 128 printed characters.")
    size = len(body.encode())
    for name, each in (sent.get("message_attributes") or {}).items():
        value = each.get("StringValue") or each.get("BinaryValue") or ""
        size += len(f"{name}{each.get('DataType', '')}".encode())
        size += len(value if isinstance(value, bytes) else value.encode())
    if size > int(queue.maximum_message_size):  # type: ignore[attr-defined]
        raise InvalidParameterValue(
            "One or more parameters are invalid. Reason: Message must be shorter than "
            f"{queue.maximum_message_size} bytes."  # type: ignore[attr-defined]
        )


def _check_visibility(seconds: int) -> None:
    if not 0 <= seconds <= MAX_VISIBILITY_SECONDS:
        raise InvalidParameterValue("Visibility timeout invalid")


def _check_batch(ids: list[str]) -> None:
    if not ids:
        raise EmptyBatchRequest("ChangeMessageVisibility")
    if len(ids) > MAX_BATCH:
        raise TooManyEntriesInBatchRequest(len(ids))
    if len(set(ids)) < len(ids):
        raise BatchEntryIdsNotDistinct(ids[0])


def _message_with(queue: Queue, receipt_handle: str) -> Message:
    for message in queue._messages:
        if message.had_receipt_handle(receipt_handle):
            return message
    raise ReceiptHandleIsInvalid


def _no_message(receipt_handle: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Value {receipt_handle} for parameter ReceiptHandle is invalid. Reason: Message does "
        "not exist or is not available for visibility timeout change."
    )


def _failure(entry: dict[str, Any], code: str, message: object) -> dict[str, Any]:
    return {"Id": entry["Id"], "SenderFault": True, "Code": code, "Message": str(message)}


def _until_next_change(queue: Queue) -> float:
    """Seconds until a message becomes visible by itself, of which nothing notifies."""
    now = unix_time_millis()
    coming = [
        moment
        for message in queue._messages
        for moment in (message.visible_at, message.delayed_until)
        if moment >= now
    ]
    # A millisecond late rather than early: for moto the moment must have passed.
    return (min(coming) - now + 1.0) / 1000 if coming else float("inf")


class _Response(SQSResponse):
    """moto's SQS request handler, plus the parameter that it ignores."""

    def receive_message(self) -> Any:
        """ReceiveMessage."""
        token = _attempt_id.set(self._get_param("ReceiveRequestAttemptId"))
        try:
            return super().receive_message()
        finally:
            _attempt_id.reset(token)


def install() -> None:
    """Have moto use these queues from now on, for every region and account."""
    sqs_backends.backend = StrictQueues
    urls.url_paths.update(dict.fromkeys(urls.url_paths, _Response.dispatch))
