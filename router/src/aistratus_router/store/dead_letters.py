"""The dead-letter queue: messages that were set aside, and what can be done with each.

SQS moves a message here once it was received too often. The worker sends one here, with a reason,
for a message that it cannot read and for a job that it has given up.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aistratus_contracts.errors import ContractError, UnknownVersion
from aistratus_contracts.job import decode_queue_message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# The visibility timeout of received letters: if their reader dies, they come back after it.
HOLD_SECONDS: Final = 60
# Not 0: a short poll asks only some of SQS's servers.
RECEIVE_WAIT_SECONDS: Final = 1
# The most messages that SQS takes or returns in one call.
BATCH_SIZE: Final = 10


@dataclass(frozen=True, slots=True)
class Letter:
    """A message from the dead-letter queue, hidden from other readers for a short time.

    `job_id` is None if the message cannot be read; `is_of_other_release` says that only this
    release cannot read it. `reason` is what the worker wrote; it is empty if SQS moved the message.
    `received` counts every receive, this one included.
    """

    message_id: str
    receipt: str
    body: str
    job_id: str | None
    is_of_other_release: bool
    group: str
    reason: str
    sent_at: datetime
    received: int


class DeadLetters:
    """`jobs-dlq.fifo`."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def count(self) -> int:
        """About how many letters can be received now."""
        return self._numbers()["ApproximateNumberOfMessages"]

    def total(self) -> int:
        """About how many letters there are, including those that a reader holds."""
        return sum(self._numbers().values())

    @contextmanager
    def held(self, most: int) -> Iterator[list[Letter]]:
        """The oldest letters, hidden from other readers; those not deleted go back at the end.

        SQS gives out at most ten letters of a group until these are deleted or back.
        """
        letters: list[Letter] = []
        try:
            wanted = min(most, self.count())
            while len(letters) < wanted:
                batch = self._receive()
                if not batch:
                    break
                letters += batch
            yield letters
        finally:
            self._release(letters)

    def delete(self, letter: Letter) -> None:
        """Delete a letter for good."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)

    def _numbers(self) -> dict[str, int]:
        answer: Any = self._client.get_queue_attributes(
            QueueUrl=self._url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        return {name: int(number) for name, number in answer["Attributes"].items()}

    def _receive(self) -> list[Letter]:
        answer: Any = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH_SIZE,
            WaitTimeSeconds=RECEIVE_WAIT_SECONDS,
            VisibilityTimeout=HOLD_SECONDS,
            MessageSystemAttributeNames=[
                "MessageGroupId",
                "SentTimestamp",
                "ApproximateReceiveCount",
            ],
            MessageAttributeNames=["reason"],
        )
        return [_read(message) for message in answer.get("Messages", [])]

    def _release(self, letters: Sequence[Letter]) -> None:
        """Give letters back; SQS reports deleted ones as failed, which can be ignored."""
        for start in range(0, len(letters), BATCH_SIZE):
            self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                    for index, letter in enumerate(letters[start : start + BATCH_SIZE])
                ],
            )


def _read(message: Any) -> Letter:
    attributes = message["Attributes"]
    job_id, is_of_other_release = None, False
    try:
        job_id = decode_queue_message(message["Body"]).job_id
    except UnknownVersion:
        is_of_other_release = True
    except ContractError:
        pass
    return Letter(
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        job_id=job_id,
        is_of_other_release=is_of_other_release,
        group=attributes["MessageGroupId"],
        reason=message.get("MessageAttributes", {}).get("reason", {}).get("StringValue", ""),
        sent_at=datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC),
        received=int(attributes["ApproximateReceiveCount"]),
    )
