"""The job queue: SQS FIFO, with the users' lanes as message groups.

Blocking calls; the consumer runs them in threads.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from botocore.exceptions import ClientError

from aistratus_contracts.job import JobHead, QueueMessage, encode_queue_message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

log = logging.getLogger("worker")

# A poll cannot be interrupted, and a worker told to stop must be gone within two seconds, so polls
# are short. 3,600 an hour, while the GPU runs, cost less than a fifth of a cent.
RECEIVE_WAIT_SECONDS: Final = 1
_BATCH: Final = 10


@dataclass(frozen=True, slots=True)
class Received:
    """A message that is ours until its visibility timeout runs out.

    `receives` is how many times the queue has given it out, this time included.
    """

    message_id: str
    receipt: str
    body: str
    group: str
    receives: int = 1


@dataclass(frozen=True, slots=True)
class Extended:
    """A heartbeat's outcome: which messages are no longer ours, and whether to retry it soon."""

    lost: list[Received]
    failed: bool


@dataclass
class JobsQueue:
    """`jobs.fifo` as the worker uses it.

    `beats` is a client with short timeouts: a hanging heartbeat is better sent again.
    `max_receives` is how many times the queue gives out a message before making it a dead letter;
    None if without limit.
    """

    client: "SQSClient"
    beats: "SQSClient"
    url: str
    dead_letter_url: str
    visibility_seconds: int
    max_receives: int | None = None
    _receive_id: str = field(default_factory=lambda: str(uuid4()))

    @classmethod
    def connect(
        cls, client: "SQSClient", beats: "SQSClient", url: str, dead_letter_url: str
    ) -> "JobsQueue":
        """The queue, with the attributes that it was deployed with."""
        names: list[QueueAttributeNameType] = ["VisibilityTimeout", "RedrivePolicy"]
        found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        policy = json.loads(found.get("RedrivePolicy", "{}"))
        receives = int(policy["maxReceiveCount"]) if policy else None
        return cls(client, beats, url, dead_letter_url, int(found["VisibilityTimeout"]), receives)

    def receive(self, wait_seconds: int = RECEIVE_WAIT_SECONDS) -> Received | None:
        """Wait a short while for the next message.

        It asks for one at a time: SQS prefers to fill a batch from one group, and a group's
        messages are worked on one after the other anyway.

        A receive hides a message even if its answer is lost. So each try carries the same attempt
        id until one is answered: within five minutes SQS then gives out the same message with the
        same receipt. A refusal is an answer too: SQS repeats no receive whose message was touched
        meanwhile.
        """
        try:
            answer = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=self.visibility_seconds,
                MessageSystemAttributeNames=["MessageGroupId", "ApproximateReceiveCount"],
                ReceiveRequestAttemptId=self._receive_id,
            )
        except ClientError:
            self._receive_id = str(uuid4())
            raise
        self._receive_id = str(uuid4())
        for message in answer.get("Messages", []):
            return Received(
                message["MessageId"],
                message["ReceiptHandle"],
                message["Body"],
                message["Attributes"]["MessageGroupId"],
                int(message["Attributes"]["ApproximateReceiveCount"]),
            )
        return None

    def extend(self, held: Sequence[Received]) -> Extended:
        """Hold these for another visibility timeout."""
        lost: list[Received] = []
        failed = False
        for start in range(0, len(held), _BATCH):
            part = held[start : start + _BATCH]
            answer = self.beats.change_message_visibility_batch(
                QueueUrl=self.url, Entries=_entries(part, self.visibility_seconds)
            )
            for entry in answer.get("Failed", []):
                if entry["SenderFault"]:
                    lost.append(part[int(entry["Id"])])
                else:
                    failed = True
        return Extended(lost, failed)

    def release(self, message: Received) -> None:
        """Give a message back: another worker can have it at once."""
        self.client.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=message.receipt, VisibilityTimeout=0
        )

    def release_all(self, messages: Sequence[Received]) -> None:
        """Give messages back, each to its old place; those no longer ours stay as they are."""
        for start in range(0, len(messages), _BATCH):
            self.client.change_message_visibility_batch(
                QueueUrl=self.url, Entries=_entries(messages[start : start + _BATCH], 0)
            )

    def delete(self, message: Received) -> None:
        """Delete a message whose job has ended."""
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)

    def set_aside(self, message: Received, reason: str) -> None:
        """Move an unreadable message to the dead-letter queue, so that its group goes on."""
        self._put_aside(message.body, message.group, message.message_id, reason)
        self.delete(message)

    def set_job_aside(self, job: JobHead, reason: str) -> None:
        """Send a dead letter for a job that is given up."""
        body = encode_queue_message(QueueMessage(job.job_id))
        self._put_aside(body, job.conversation_id, job.job_id, reason)

    def _put_aside(self, body: str, group: str, deduplication_id: str, reason: str) -> None:
        self.client.send_message(
            QueueUrl=self.dead_letter_url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=deduplication_id,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
        )


def _entries(
    messages: Sequence[Received], seconds: int
) -> "list[ChangeMessageVisibilityBatchRequestEntryTypeDef]":
    return [
        {"Id": str(index), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
        for index, message in enumerate(messages)
    ]
