"""The queue of jobs: SQS FIFO, one message group per conversation.

Blocking calls; the consumer runs them in threads.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aistratus_contracts.limits import VISIBILITY_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = logging.getLogger("worker")

# A poll cannot be called off, and a worker that is told to stop must be gone within two seconds:
# so a poll is short. 3,600 an hour, while the GPU runs, cost less than a fifth of a cent.
RECEIVE_WAIT_SECONDS: Final = 1
_BATCH: Final = 10


@dataclass(frozen=True, slots=True)
class Received:
    """A message that is ours until its visibility timeout runs out."""

    message_id: str
    receipt: str
    body: str
    group: str


@dataclass(frozen=True)
class JobsQueue:
    """`jobs.fifo` as the worker uses it."""

    client: "SQSClient"
    url: str
    dead_letter_url: str

    def receive(self) -> Received | None:
        """The next message, waiting a short while for one.

        One at a time: of several in one call SQS prefers to take them from one group, and a
        group's messages are worked on one after the other anyway.
        """
        answer = self.client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=RECEIVE_WAIT_SECONDS,
            VisibilityTimeout=VISIBILITY_TIMEOUT_SECONDS,
            MessageSystemAttributeNames=["MessageGroupId"],
        )
        for message in answer.get("Messages", []):
            return Received(
                message["MessageId"],
                message["ReceiptHandle"],
                message["Body"],
                message["Attributes"]["MessageGroupId"],
            )
        return None

    def extend(self, held: Sequence[Received]) -> list[Received]:
        """Hold these for another visibility timeout; returns those that are ours no more."""
        lost: list[Received] = []
        for start in range(0, len(held), _BATCH):
            part = held[start : start + _BATCH]
            answer = self.client.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {
                        "Id": str(index),
                        "ReceiptHandle": message.receipt,
                        "VisibilityTimeout": VISIBILITY_TIMEOUT_SECONDS,
                    }
                    for index, message in enumerate(part)
                ],
            )
            lost += [
                part[int(entry["Id"])] for entry in answer.get("Failed", []) if entry["SenderFault"]
            ]
        return lost

    def release(self, message: Received) -> None:
        """Give a message back: another worker can have it at once."""
        self.client.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=message.receipt, VisibilityTimeout=0
        )

    def delete(self, message: Received) -> None:
        """The message's job has ended."""
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)

    def set_aside(self, message: Received, reason: str) -> None:
        """Move a message that nobody can read to the dead-letter queue, so its group goes on."""
        self.client.send_message(
            QueueUrl=self.dead_letter_url,
            MessageBody=message.body,
            MessageGroupId=message.group,
            MessageDeduplicationId=message.message_id,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
        )
        self.delete(message)
